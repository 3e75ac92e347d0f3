use std::fs::File;

use super::super::rasterize;
use super::super::test_scenes::{BLACK, cart_pole, rectangle, shapes, swaying};
use super::*;
use quarl_core::scene::Scene;

/// What a viewer shows: one picture for each block, with its delay in 1/100 s.
fn play(path: &Path) -> (Vec<(Vec<u8>, u16)>, Repeat) {
    let mut options = ::gif::DecodeOptions::new();
    options.set_color_output(::gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(File::open(path).unwrap()).unwrap();
    let width = usize::from(decoder.width());
    let mut screen = vec![0; width * usize::from(decoder.height()) * 3];
    let mut pictures = Vec::new();
    while let Some(block) = decoder.read_next_frame().unwrap() {
        assert!(block.palette.is_none(), "one palette for the whole film");
        let columns = usize::from(block.width);
        for (i, rgba) in block.buffer.chunks_exact(4).enumerate().filter(|(_, rgba)| rgba[3] != 0) {
            let (x, y) = (i % columns + usize::from(block.left), i / columns + usize::from(block.top));
            screen[(y * width + x) * 3..][..3].copy_from_slice(&rgba[..3]);
        }
        pictures.push((screen.clone(), block.delay));
    }
    (pictures, decoder.repeat())
}

fn film(size: (u32, u32), fps: f64, scenes: impl Iterator<Item = Scene>) -> (tempfile::TempDir, PathBuf, Vec<Frame>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("film.gif");
    let mut film = GifWriter::create(&path, size, fps).unwrap();
    let frames: Vec<_> = scenes.map(|scene| rasterize(&scene, size.0, size.1).unwrap()).collect();
    frames.iter().for_each(|frame| film.push(frame).unwrap());
    film.finish().unwrap();
    (directory, path, frames)
}

fn blink(i: u32) -> Scene {
    shapes(8.0, 8.0, if i.is_multiple_of(2) { vec![] } else { vec![rectangle(2.0, 2.0, 5.0, 5.0, BLACK)] })
}

#[test]
fn a_film_plays_back_what_was_recorded() {
    let (_directory, path, frames) = film((300, 200), 50.0, (0..60).map(swaying));
    let (pictures, repeat) = play(&path);
    assert_eq!(repeat, Repeat::Infinite);
    assert_eq!(pictures.len(), frames.len());
    for (frame, (picture, delay)) in frames.iter().zip(&pictures) {
        assert_eq!(*delay, 2);
        let worst = frame.rgb.iter().zip(picture).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(6), "a colour is off by {worst:?}");
    }
}

#[test]
fn two_hundred_frames_of_a_cart_fit_into_130_kilobytes() {
    let (_directory, path, _) = film((600, 400), 50.0, (0..200).map(swaying));
    let size = std::fs::metadata(path).unwrap().len();
    assert!(size < 130_000, "{size} bytes");
}

#[test]
fn delays_add_up_for_any_rate() {
    for (fps, expected) in [(50.0, vec![2; 6]), (30.0, vec![3, 4, 3, 3, 4, 3]), (15.0, vec![7, 6, 7, 7, 6, 7])] {
        let (_directory, path, _) = film((8, 8), fps, (0..6).map(blink));
        let delays: Vec<_> = play(&path).0.into_iter().map(|(_, delay)| delay).collect();
        assert_eq!(delays, expected, "{fps} frames a second");
    }
}

#[test]
fn a_rate_that_browsers_do_not_show_loses_frames_and_not_speed() {
    let (_directory, path, _) = film((8, 8), 60.0, (0..120).map(|i| cart_pole(5.0 * i as f32, 0.0)));
    let delays: Vec<_> = play(&path).0.into_iter().map(|(_, delay)| delay).collect();
    assert!(delays.iter().all(|delay| *delay >= 2));
    assert_eq!(delays.iter().sum::<u16>(), 200);
}

#[test]
fn what_stands_still_costs_nothing_and_lasts() {
    let (_directory, path, _) = film((8, 8), 10.0, [0, 0, 0, 1, 1].into_iter().map(blink));
    assert_eq!(play(&path).0.into_iter().map(|(_, delay)| delay).collect::<Vec<_>>(), [30, 20]);
}

#[test]
fn a_very_long_still_is_said_in_parts() {
    let (_directory, path, _) = film((8, 8), 0.01, [0, 0, 1].into_iter().map(blink));
    let delays: Vec<_> = play(&path).0.into_iter().map(|(_, delay)| u32::from(delay)).collect();
    assert!(delays.iter().all(|delay| *delay >= 2));
    assert_eq!(delays.iter().sum::<u32>(), 30_000);
    let (_directory, path, _) = film((8, 8), 0.01, (0..20).map(|_| blink(0)));
    let delays: Vec<_> = play(&path).0.into_iter().map(|(_, delay)| u32::from(delay)).collect();
    assert_eq!(delays, [60_000, 60_000, 60_000, 20_000]);
}

#[test]
fn only_what_changed_is_written() {
    let shown = vec![1; 20];
    let mut next = shown.clone();
    assert!(changed_part(&shown, &next, 5).is_none());
    (next[6], next[13]) = (2, 3);
    let block = changed_part(&shown, &next, 5).unwrap();
    assert_eq!((block.left, block.top, block.width, block.height), (1, 1, 3, 2));
}

#[test]
fn an_unfinished_film_leaves_nothing_and_the_old_one_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("film.gif");
    std::fs::write(&path, "the old film").unwrap();
    let mut film = GifWriter::create(&path, (8, 8), 50.0).unwrap();
    film.push(&rasterize(&blink(0), 8, 8).unwrap()).unwrap();
    drop(film);
    assert!(matches!(GifWriter::create(&path, (8, 8), 50.0).unwrap().finish(), Err(Error::Draw { .. })));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "the old film");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn impossible_films_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("film.gif");
    for (size, fps) in [((0, 0), 50.0), ((65_536, 1), 50.0), ((8, 8), 0.0), ((8, 8), f64::NAN), ((8, 8), -1.0)] {
        assert!(matches!(GifWriter::create(&path, size, fps), Err(Error::Draw { .. })), "{size:?} at {fps}");
    }
    assert!(matches!(GifWriter::create(directory.path().join("no/a.gif"), (8, 8), 50.0), Err(Error::Io { .. })));
    let mut film = GifWriter::create(&path, (8, 8), 50.0).unwrap();
    assert!(matches!(film.push(&Frame::new(9, 8).unwrap()), Err(Error::Draw { .. })));
    assert!(matches!(film.push(&Frame { width: 8, height: 8, rgb: vec![] }), Err(Error::Draw { .. })));
}
