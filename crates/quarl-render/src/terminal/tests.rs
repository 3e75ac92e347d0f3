use proptest::prelude::*;

use super::super::rasterize;
use super::super::test_scenes::{BLACK, cart_pole, rectangle, shapes};
use super::*;
use quarl_core::scene::{Color, Shape};

const STYLES: [TextStyle; 4] = [TextStyle::TrueColor, TextStyle::Palette256, TextStyle::Braille, TextStyle::Ascii];

/// White, with a red square in the lower left corner.
fn corner() -> Scene {
    shapes(4.0, 4.0, vec![rectangle(0.0, 0.0, 2.0, 3.0, Color(255, 0, 0))])
}

#[test]
fn two_pixels_share_a_cell_in_colour() {
    let white_below = "\x1b[48;2;255;255;255m";
    let red_below = "\x1b[48;2;255;0;0m";
    let white_above = "\x1b[38;2;255;255;255m";
    let expected = format!("{red_below}{white_above}▀▀{white_below}  \x1b[0m\n{red_below}  {white_below}  \x1b[0m\n");
    assert_eq!(scene_text(&corner(), 4, 2, TextStyle::TrueColor).unwrap(), expected);
}

#[test]
fn the_256_colours_are_xterms() {
    let expected = "\x1b[48;5;196m\x1b[38;5;231m▀▀\x1b[48;5;231m  \x1b[0m\n\x1b[48;5;196m  \x1b[48;5;231m  \x1b[0m\n";
    assert_eq!(scene_text(&corner(), 4, 2, TextStyle::Palette256).unwrap(), expected);
}

#[test]
fn an_odd_number_of_rows_leaves_the_last_half_alone() {
    let pixel = Scene::Pixels { width: 1, height: 1, rgb: vec![1, 2, 3] };
    assert_eq!(scene_text(&pixel, 1, 1, TextStyle::TrueColor).unwrap(), "\x1b[38;2;1;2;3m▀\x1b[0m\n");
}

#[test]
fn without_colour_what_is_drawn_becomes_dots() {
    // At 2 x 1 cells the scene is 4 x 4 dots: the left cell has its lower three rows full (dots 2 3 5 6 7 8).
    let dots = char::from_u32(0x2800 + 0b1111_0110).unwrap();
    assert_eq!(scene_text(&corner(), 2, 1, TextStyle::Braille).unwrap(), format!("{dots}\n"));
    assert_eq!(scene_text(&corner(), 2, 1, TextStyle::Ascii).unwrap(), "*\n");
}

#[test]
fn a_cart_and_its_pole_can_be_seen_in_sixty_by_twenty_cells() {
    for angle in [0.0f32, 0.03, -0.1, 0.2] {
        let drawn = scene_text(&cart_pole(303.0, angle), 60, 20, TextStyle::Braille).unwrap();
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 20);
        // The pole's top is 202 above the ground of 400: rows 10 to 14; cart and track are in row 14 and 15.
        for (row, line) in lines.iter().enumerate().take(14).skip(11) {
            let thickness = line.trim_start_matches('\u{2800}').chars().count();
            assert!((1..=3).contains(&thickness), "row {row} of angle {angle}: {thickness} cells\n{drawn}");
        }
        assert!(lines.iter().any(|line| line.chars().count() == 60), "the track goes from side to side\n{drawn}");
    }
}

#[test]
fn a_picture_keeps_its_thin_lines() {
    // One pixel in ten is black. The mean would be 90 % white; drawn lines must stay clearly darker.
    let line = Shape::Polyline { points: vec![(0.0, 200.5), (600.0, 200.5)], width: 1.0, color: BLACK };
    let frame = rasterize(&shapes(600.0, 400.0, vec![line]), 600, 400).unwrap();
    let small = shrink((600, 400), &frame.rgb, (60, 40));
    let darkest = small.rgb.iter().min().copied();
    assert!(darkest < Some(180), "{darkest:?}");
    let pixels = Scene::Pixels { width: 600, height: 400, rgb: frame.rgb };
    assert!(scene_text(&pixels, 60, 20, TextStyle::Braille).unwrap().lines().any(|line| line.chars().count() == 60));
}

#[test]
fn proportions_are_kept() {
    for (columns, rows, expected) in [(60, 20, (60, 20)), (60, 50, (60, 20)), (200, 20, (60, 20)), (30, 30, (30, 10))] {
        let text = scene_text(&cart_pole(300.0, 0.0), columns, rows, TextStyle::TrueColor).unwrap();
        let cells = text.lines().next().unwrap().chars().filter(|c| *c == ' ' || *c == '▀').count();
        assert_eq!((cells, text.lines().count()), expected, "{columns} x {rows}");
    }
}

#[test]
fn the_environment_says_what_a_terminal_can_show() {
    let cases: [(&[(&str, &str)], TextStyle); 12] = [
        (&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor"), ("LANG", "de_DE.UTF-8")], TextStyle::TrueColor),
        (&[("TERM", "xterm-kitty")], TextStyle::TrueColor),
        (&[("WT_SESSION", "1")], TextStyle::TrueColor),
        (&[("TERM", "xterm-256color")], TextStyle::Palette256),
        (&[("TERM", "screen"), ("LANG", "C")], TextStyle::Palette256),
        (&[], TextStyle::Palette256),
        (&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")], TextStyle::Braille),
        (&[("NO_COLOR", ""), ("COLORTERM", "truecolor")], TextStyle::TrueColor),
        (&[("NO_COLOR", "1"), ("TERM", "linux")], TextStyle::Ascii),
        (&[("TERM", "dumb"), ("COLORTERM", "truecolor")], TextStyle::Ascii),
        (&[("LANG", "de_DE.ISO-8859-1"), ("COLORTERM", "truecolor")], TextStyle::Ascii),
        (&[("LC_ALL", "C.UTF-8"), ("LANG", "de_DE.ISO-8859-1")], TextStyle::Palette256),
    ];
    for (variables, expected) in cases {
        let style = TextStyle::detect(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        });
        assert_eq!(style, expected, "{variables:?}");
    }
}

#[test]
fn no_room_is_refused_and_little_room_is_used() {
    for style in STYLES {
        for (columns, rows) in [(0, 0), (0, 9), (9, 0)] {
            assert!(matches!(scene_text(&corner(), columns, rows, style), Err(Error::Draw { .. })));
        }
        assert_eq!(scene_text(&cart_pole(0.0, 0.0), 1, 1, style).unwrap().lines().count(), 1);
        assert!(scene_text(&shapes(1e30, 1e-30, vec![]), u32::MAX, u32::MAX, style).is_ok());
        assert!(scene_text(&Scene::Pixels { width: 3, height: 3, rgb: vec![0; 5] }, 5, 5, style).is_err());
    }
}

proptest! {
    #[test]
    fn text_never_exceeds_its_room(
        (width, height) in (1u32..30, 1u32..30),
        (columns, rows) in (1u32..40, 1u32..40),
        style in prop::sample::select(&STYLES),
    ) {
        let rgb = (0..width * height * 3).map(|i| (i * 89 % 256) as u8).collect();
        let text = scene_text(&Scene::Pixels { width, height, rgb }, columns, rows, style).unwrap();
        prop_assert!(text.lines().count() <= rows as usize);
        if style == TextStyle::Ascii || style == TextStyle::Braille {
            prop_assert!(text.lines().all(|line| line.chars().count() <= columns as usize));
        }
    }
}
