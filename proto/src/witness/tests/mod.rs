mod answers;
mod calls;
mod judged;
mod world;
