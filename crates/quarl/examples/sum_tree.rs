//! Measures the sum tree's operations with a million items: `cargo run --release -p quarl --example sum_tree`.

use std::hint::black_box;
use std::time::Instant;

use quarl::replay::sum_tree::SumTree;
use quarl::rng::Rng;

fn main() {
    const ITEMS: usize = 1_000_000;
    const OPERATIONS: usize = 2_000_000;
    let (mut tree, mut rng) = (SumTree::new(ITEMS), Rng::from_seed(0));
    for item in 0..ITEMS {
        tree.set(item, rng.uniform());
    }
    let time = |name: &str, operation: &mut dyn FnMut()| {
        let started = Instant::now();
        (0..OPERATIONS).for_each(|_| operation());
        println!("{name}: {:.0} ns", started.elapsed().as_secs_f64() * 1e9 / OPERATIONS as f64);
    };
    // The random numbers that the operations need are in their times.
    time("set a random item", &mut || tree.set(rng.below(ITEMS), rng.uniform()));
    time("draw an item", &mut || {
        black_box(tree.find(rng.uniform() * tree.total()));
    });
}
