//! The rows in the order of their targets' bytes.
//!
//! Nobody needs the order while a list is built up, so rows are only gathered then, and brought into order all at once
//! when a digest is wanted: to find the place of each as it comes would read some twenty texts all over the memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::workers::Workers;

/// The numbers of targets: those in order, and those that came since.
#[derive(Debug, Default)]
pub(super) struct Order {
    sorted: Vec<u32>,
    fresh: Vec<u32>,
}

/// So many times more in order than fresh, and it is cheaper to look for the place of each than to sort all again.
const FEW: usize = 8;
/// Groups of at most so many texts with a common beginning are sorted by comparing what is left of them.
const GROUP: usize = 8;
/// So many texts are a piece of work; few in tests, so that these have more than one.
const PART: usize = if cfg!(test) { 16 } else { 1 << 13 };

impl Order {
    /// Adds a number, which is in it no more than once.
    pub(super) fn add(&mut self, id: u32) {
        self.fresh.push(id);
    }

    /// How many are not in order.
    pub(super) const fn unsorted(&self) -> usize {
        self.fresh.len()
    }

    /// Forgets those that are not to be kept.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        self.sorted.retain(|id| keep(*id));
        self.fresh.retain(|id| keep(*id));
    }

    /// Those in order.
    pub(super) fn sorted(&self) -> &[u32] {
        &self.sorted
    }

    /// Brings all into the order of their texts.
    pub(super) fn sort<'a, W: Workers>(&mut self, text: impl Fn(u32) -> &'a str + Sync, workers: &W) {
        let mut fresh = std::mem::take(&mut self.fresh);
        if fresh.is_empty() {
            return;
        }
        if self.sorted.len() / FEW < fresh.len() {
            fresh.append(&mut self.sorted);
            sort(&mut fresh, &text, workers);
            self.sorted = fresh;
            return;
        }
        sort(&mut fresh, &text, workers);
        // From the end: what stands behind the place of each moves as far as there are fresh ones before it.
        let mut end = self.sorted.len();
        self.sorted.resize(end.saturating_add(fresh.len()), 0);
        for (before, id) in fresh.into_iter().enumerate().rev() {
            let place = self.sorted.get(..end).map_or(0, |sorted| {
                let own = text(id);
                sorted.partition_point(|other| text(*other) < own)
            });
            self.sorted.copy_within(place..end, place.saturating_add(before).saturating_add(1));
            if let Some(free) = self.sorted.get_mut(place.saturating_add(before)) {
                *free = id;
            }
            end = place;
        }
    }

    /// Those whose texts come after this one, in order. Where some are not in order, it first looks at each of them.
    pub(super) fn after<'a>(
        &'a self,
        after: Option<&str>,
        text: impl Fn(u32) -> &'a str + Copy + 'a,
    ) -> impl Iterator<Item = u32> + 'a {
        let is_after = |id: u32| after.is_none_or(|after| text(id) > after);
        let from = self.sorted.partition_point(|id| !is_after(*id));
        let mut sorted = self.sorted.get(from..).unwrap_or_default().iter().copied().peekable();
        let fresh = self.fresh.iter().copied().filter(|id| is_after(*id));
        let mut fresh: BinaryHeap<_> = fresh.map(|id| Reverse((text(id), id))).collect();
        std::iter::from_fn(move || {
            let first = fresh.peek().map(|Reverse((text, _))| *text);
            match (first, sorted.peek()) {
                (Some(first), Some(id)) if text(*id) < first => sorted.next(),
                (Some(_), _) => fresh.pop().map(|Reverse((_, id))| id),
                (None, _) => sorted.next(),
            }
        })
    }
}

/// Sorts by texts that differ, eight bytes at a time: those that begin alike are sorted by the eight bytes after that, and
/// so on. Each text is read once from its beginning to where it differs, and not at each comparison. The texts of a large
/// group are read side by side, and so are the groups that it falls into.
fn sort<'a, W: Workers>(ids: &mut Vec<u32>, text: impl Fn(u32) -> &'a str + Sync, workers: &W) {
    let mut keyed: Vec<Keyed> = ids.iter().map(|id| (0, *id)).collect();
    let (mut large, mut parts): (Vec<(&mut [Keyed], usize)>, Vec<_>) = (vec![(&mut keyed, 0)], Vec::new());
    while let Some((group, depth)) = large.pop() {
        if group.len() <= PART {
            parts.push((group, depth));
            continue;
        }
        workers.in_order(group.chunks_mut(PART), |chunk| read(chunk, depth, &text), |()| {});
        split(group, depth, &mut large);
    }
    let in_part = |part: (&mut [Keyed], usize)| {
        let mut groups = vec![part];
        while let Some((group, depth)) = groups.pop() {
            if group.len() <= GROUP {
                let rest = |id: u32| text(id).as_bytes().get(depth..).unwrap_or_default();
                group.sort_unstable_by(|(_, a), (_, b)| rest(*a).cmp(rest(*b)));
                continue;
            }
            read(group, depth, &text);
            split(group, depth, &mut groups);
        }
    };
    workers.in_order(parts.into_iter(), in_part, |()| {});
    ids.clear();
    ids.extend(keyed.into_iter().map(|(_, id)| id));
}

/// Eight bytes of a text, and its number.
type Keyed = (u64, u32);

/// Reads the eight bytes of each that come after so many.
fn read<'a>(group: &mut [Keyed], depth: usize, text: impl Fn(u32) -> &'a str) {
    group.iter_mut().for_each(|(key, id)| *key = eight(text(*id).as_bytes().get(depth..).unwrap_or_default()));
}

/// Sorts by the eight bytes that were read, and gives those that have them in common.
fn split<'k>(group: &'k mut [Keyed], depth: usize, groups: &mut Vec<(&'k mut [Keyed], usize)>) {
    group.sort_unstable_by_key(|(key, _)| *key);
    for alike in group.chunk_by_mut(|(a, _), (b, _)| a == b) {
        // Of texts that differ no two end together.
        if alike.len() > 1 && alike.first().is_some_and(|(key, _)| *key != 0) {
            groups.push((alike, depth.saturating_add(8)));
        }
    }
}

/// The first eight bytes as a number that orders as they do. No text has a byte 0, so one that ends comes first.
fn eight(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut first = [0; 8];
    first.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests;
