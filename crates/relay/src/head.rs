//! What the pages that are made here begin with: the same head as the page of pictures has.

/// Pages that lead to each other: path and word.
const PAGES: [(&str, &str); 4] =
    [("/", "Pictures"), ("/health", "Health"), ("/status", "Status"), ("/metrics", "Metrics")];

/// Everything before the content of the page at `path`, with `count` beside its title and `style` for it
/// alone. Both are HTML.
pub(crate) fn head(path: &str, count: &str, style: &str) -> String {
    let title = PAGES.iter().find(|(known, _)| *known == path).map_or("", |(_, word)| word);
    let class = if path == "/health" { "status health" } else { "status" };
    let links: String = PAGES
        .iter()
        .map(|(to, word)| {
            let here = if *to == path { " aria-current=\"page\"" } else { "" };
            format!("<a href=\"{to}\"{here}>{word}</a> ")
        })
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{title} – Headwater</title><link rel=\"icon\" href=\"/favicon.ico\" type=\"image/svg+xml\">\
         <link rel=\"stylesheet\" href=\"/assets/page.css\"><script src=\"/assets/status.js\" defer></script>\
         <style>{style}</style></head><body class=\"{class}\"><header>\
         <a class=\"home\" href=\"/\" aria-label=\"Pictures\"><img class=\"mark\" src=\"/favicon.ico\" alt=\"\" width=\"28\" height=\"28\"></a>\
         <h1>{title}</h1><p class=\"count\">{count}</p><nav aria-label=\"Pages\">{links}</nav></header><main>"
    )
}

/// The heads of numbers beside them, where a window is too narrow for the table `which` (`page.css`).
pub(crate) fn labels(which: &str, heads: impl Iterator<Item = (usize, &'static str)>) -> String {
    let rules =
        heads.map(|(at, head)| format!("{which} td:nth-child({}):not(:empty)::before{{content:\"{head} \"}}", at + 1));
    format!("@media (max-width:700px){{{}}}", rules.collect::<String>())
}

/// A span of seconds as people say it: `12 s`, `5 min`, `3 h 20 min`, `2 d 4 h`.
pub(crate) fn span(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_people_say_them() {
        let told = [-1.0, 59.9, 61.0, 12_000.0, 200_000.0].map(span);
        assert_eq!(told, ["0 s", "59 s", "1 min", "3 h 20 min", "2 d 7 h"]);
    }

    #[test]
    fn every_page_leads_to_the_others_and_says_which_it_is() {
        for (path, word) in [("/health", "Health"), ("/status", "Status")] {
            let head = head(path, "", "");
            assert!(head.contains(&format!("<h1>{word}</h1>")), "{head}");
            assert!(head.contains(&format!("<a href=\"{path}\" aria-current=\"page\">")), "{head}");
            assert_eq!(head.matches("aria-current").count(), 1);
        }
    }
}
