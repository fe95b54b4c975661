//! Groups of bars as inline SVG: one line of text without blank lines, so that it may stand in Markdown.

use std::fmt::Write;

/// Width of the whole, in the units of the drawing.
const WIDTH: f64 = 720.0;

/// Height of one bar.
const BAR: f64 = 16.0;

/// Where bars begin: names stand before.
const LEFT: f64 = 230.0;

/// Room for the figure behind the longest bar.
const RIGHT: f64 = 90.0;

/// One colour for each server, in order.
const COLOURS: [&str; 5] = ["#1b6ca8", "#d1793a", "#5a9e6f", "#8d6cab", "#808080"];

/// A group of bars that belong together.
#[derive(Clone, Debug)]
pub struct Bars {
    /// What they are about.
    pub label: String,
    /// Name and length of each.
    pub bars: Vec<(String, f64)>,
}

/// Draws them. Names get colours in the order of their first appearance. What was not measured is not a number and has
/// a dash for a bar.
pub fn draw(title: &str, groups: &[Bars]) -> String {
    let longest =
        groups.iter().flat_map(|g| &g.bars).map(|(_, v)| *v).filter(|v| v.is_finite()).fold(1e-9, f64::max);
    let mut names: Vec<&str> = Vec::new();
    let mut body = String::new();
    let mut y = 28.0;
    for group in groups {
        text(&mut body, LEFT - 8.0, y + BAR * 0.8, "end", &group.label);
        for (name, value) in &group.bars {
            let known = names.iter().position(|n| n == name);
            let index = known.unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            let colour = COLOURS.iter().cycle().nth(index).unwrap_or(&"#808080");
            let (length, shown) =
                if value.is_finite() { (*value, format!("{value:.0}")) } else { (0.0, "–".to_owned()) };
            let width = (WIDTH - LEFT - RIGHT) * length / longest;
            let _ = write!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"{:.0}\" fill=\"{colour}\"/>",
                BAR - 2.0
            );
            text(&mut body, LEFT + width + 6.0, y + BAR * 0.75, "start", &format!("{shown} {name}"));
            y += BAR;
        }
        y += BAR / 2.0;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" width=\"{WIDTH}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\"><text x=\"0\" y=\"14\" font-weight=\"bold\" \
         fill=\"currentColor\">{}</text>{body}</svg>",
        escape(title)
    )
}

fn text(body: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = write!(
        body,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"currentColor\">{}</text>",
        escape(words)
    );
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::{Bars, draw};

    #[test]
    fn what_was_not_measured_spoils_no_other_bar() {
        let bars = vec![("A".to_owned(), f64::INFINITY), ("B".to_owned(), f64::NAN), ("C".to_owned(), 7.0)];
        let drawn = draw("t", &[Bars { label: "x".to_owned(), bars }]);
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        assert!(drawn.contains("width=\"400.0\"") && drawn.contains("– A"), "{drawn}");
    }

    #[test]
    fn the_longest_bar_fills_the_room_and_text_is_escaped() {
        let bars = vec![("A".to_owned(), 50.0), ("B".to_owned(), 100.0)];
        let drawn = draw("a < b", &[Bars { label: "x".to_owned(), bars }]);
        assert!(drawn.contains("a &lt; b") && !drawn.contains('\n'), "{drawn}");
        assert!(drawn.contains("width=\"200.0\"") && drawn.contains("width=\"400.0\""), "{drawn}");
    }
}
