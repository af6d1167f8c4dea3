use super::page;

#[test]
fn a_receipt_comes_back_from_a_page_whatever_ended_its_lines() {
    let page =
        "<!doctype html>\n<pre class=\"receipt\">a &amp;lt; &#39;b&#39;\n— c\n</pre><pre class=\"receipt\">d\n</pre>";
    let expected = vec!["a &lt; 'b'\n— c\n".as_bytes().to_vec(), b"d\n".to_vec()];
    assert_eq!(page::receipts(page.as_bytes()), Ok(expected.clone()));
    assert_eq!(page::receipts(page.replace('\n', "\r\n").as_bytes()), Ok(expected));
}

#[test]
fn a_page_without_a_whole_receipt_is_refused() {
    for (page, words) in [
        ("<html></html>", "no receipt"),
        ("<pre class=\"receipt\">cut", "cut short"),
        (&"<pre class=\"receipt\"></pre>".repeat(17), "more receipts"),
    ] {
        assert!(page::receipts(page.as_bytes()).unwrap_err().contains(words), "{words}");
    }
    assert!(page::receipts(b"<\xff>").unwrap_err().contains("UTF-8"));
    assert!(page::is_page(b" \n<!doctype html>") && !page::is_page(b"c2sp.org/tlog-proof@v1\n"));
}

#[test]
fn nothing_that_a_unit_wrote_can_open_an_element() {
    let hostile = "</pre><pre class=\"receipt\">x\u{202e}\u{200b}'&";
    let escaped = crate::cli::html::escape(hostile);
    assert!(!escaped.contains(['<', '>', '"', '\'', '\u{202e}', '\u{200b}']), "{escaped}");
    assert!(page::receipts(format!("<p>{escaped}</p>").as_bytes()).is_err());
    // What a receipt consists of comes back as it was.
    let receipt = "extra AAEC+/=\n— takedown.example/BE <&>\"'&amp;\n";
    let page = format!("<pre class=\"receipt\">{}</pre>", crate::cli::html::escape(receipt));
    assert_eq!(page::receipts(page.as_bytes()), Ok(vec![receipt.as_bytes().to_vec()]));
}
