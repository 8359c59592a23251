//! What users rely on when they hand a text to one of the functions. Without these, a list or an
//! update of a library could change what is found, and above all what friendly people are accused of.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;

use ipvm_guest_text::disguise::fold;
use ipvm_guest_text::keywords::keywords;
use ipvm_guest_text::language::{Language, guess};
use ipvm_guest_text::lists;
use ipvm_guest_text::measures::measure;
use ipvm_guest_text::moderation::{Category, Manner, Verdict, assess};
use ipvm_guest_text::problem::{MAX_BYTES, Problem, read};
use ipvm_guest_text::report::report;
use ipvm_guest_text::tokens::{Kind, MAX_TOKENS, tokenise};

#[test]
fn tokens_have_their_kinds_and_places() {
    use Kind::{Email, Emoji, Hashtag, Mention, Number, Punctuation, Url, Word};
    let cases: [(&str, &[(&str, Kind)]); 9] = [
        ("", &[]),
        (
            "It's fine.",
            &[("It's", Word), ("fine", Word), (".", Punctuation)],
        ),
        (
            "Größe: 1,234.5 m",
            &[
                ("Größe", Word),
                (":", Punctuation),
                ("1,234.5", Number),
                ("m", Word),
            ],
        ),
        (
            "see https://a.example/b?c=1, ok",
            &[
                ("see", Word),
                ("https://a.example/b?c=1", Url),
                (",", Punctuation),
                ("ok", Word),
            ],
        ),
        (
            "(mia@example.com)",
            &[
                ("(", Punctuation),
                ("mia", Word),
                ("@", Punctuation),
                ("example.com", Word),
                (")", Punctuation),
            ],
        ),
        (
            "mia@example.com!",
            &[("mia@example.com", Email), ("!", Punctuation)],
        ),
        (
            "@mia_2 #süß.",
            &[("@mia_2", Mention), ("#süß", Hashtag), (".", Punctuation)],
        ),
        ("👍🏽 ❤️", &[("👍🏽", Emoji), ("❤️", Emoji)]),
        ("日本", &[("日", Word), ("本", Word)]),
    ];
    for (text, expect) in cases {
        let tokens = tokenise(text).unwrap();
        let found: Vec<_> = tokens
            .iter()
            .map(|token| (token.text, token.kind))
            .collect();
        assert_eq!(found, expect, "{text}");
        for token in &tokens {
            assert_eq!(&text[token.place.clone()], token.text, "{text}");
        }
    }
    assert_eq!(
        tokenise(&"a ".repeat(MAX_TOKENS)).unwrap().len(),
        MAX_TOKENS
    );
    assert!(matches!(
        tokenise(&"a ".repeat(MAX_TOKENS + 1)),
        Err(Problem::TooMuch { .. })
    ));
}

#[test]
fn measures_are_those_of_a_reader() {
    let text = "One two. Three, two?\n\n\n  Vier fünf sechs!\nsieben 🇩🇪\n";
    let found = measure(text);
    assert_eq!(
        found.opening,
        "One two. Three, two? Vier fünf sechs! sieben 🇩🇪"
    );
    assert_eq!(
        (
            found.words,
            found.distinct_words,
            found.sentences,
            found.paragraphs,
            found.reading_seconds
        ),
        (8, 7, 4, 2, 3)
    );
    assert_eq!(measure("e\u{301}🇩🇪").characters, 2);
    let nothing = measure(" \n\n");
    assert_eq!(
        (nothing.words, nothing.paragraphs, nothing.reading_seconds),
        (0, 0, 0)
    );
    let long = measure(&"abcdefghi ".repeat(20)).opening;
    assert!(
        long.ends_with("abcdefghi…") && long.chars().count() <= 60,
        "{long}"
    );
    assert_eq!(measure(&"x".repeat(500)).opening.len(), 60);
}

#[test]
fn languages_are_told_from_a_sentence() {
    use Language::{
        Ar, De, El, En, Es, Fr, He, Hi, It, Ja, Ko, Nl, Pl, Pt, Ru, Sv, Th, Tr, Uk, Zh,
    };
    let cases = [
        (En, "Does anybody have a good recipe for apple pie?"),
        (De, "Hat jemand ein gutes Rezept für Apfelkuchen?"),
        (Fr, "Quelqu'un a une bonne recette de tarte aux pommes ?"),
        (Es, "¿Alguien tiene una buena receta de tarta de manzana?"),
        (It, "Qualcuno ha una buona ricetta per la torta di mele?"),
        (Pt, "Alguém tem uma boa receita de torta de maçã?"),
        (Nl, "Heeft iemand een goed recept voor appeltaart?"),
        (Sv, "Har någon ett bra recept på äppelpaj?"),
        (Pl, "Czy ktoś ma dobry przepis na szarlotkę?"),
        (Tr, "Elmalı turta için iyi bir tarifi olan var mı?"),
        (Ru, "У кого-нибудь есть хороший рецепт яблочного пирога?"),
        (Uk, "Чи є в когось гарний рецепт яблучного пирога?"),
        (El, "Έχει κανείς μια καλή συνταγή;"),
        (Ar, "هل لدى أحد وصفة جيدة؟"),
        (He, "למישהו יש מתכון טוב?"),
        (Hi, "क्या किसी के पास अच्छी रेसिपी है?"),
        (Ko, "좋은 요리법 있는 사람 있어요?"),
        (Th, "มีใครมีสูตรดี ๆ บ้าง"),
        (Ja, "誰か良いレシピを知っていますか。"),
        (Zh, "谁有好的苹果派食谱？"),
    ];
    for (expect, text) in cases {
        let found = guess(text);
        assert_eq!(found.language, Some(expect), "{text}: {found:?}");
        assert!(
            found.confidence > 0.5 && found.confidence <= 1.0,
            "{text}: {found:?}"
        );
        let others: f64 = found.others.iter().map(|other| other.1).sum();
        assert!(found.confidence + others <= 1.001, "{found:?}");
    }
    let told: BTreeSet<_> = cases.iter().map(|case| case.0).collect();
    assert_eq!(told.len(), Language::ALL.len());
}

#[test]
fn little_text_gives_little_confidence() {
    for text in ["", "12345 !!!", "☃"] {
        let found = guess(text);
        assert_eq!((found.language, found.confidence), (None, 0.0), "{text}");
    }
    assert!(guess("hotel").confidence < 0.6);
    let links = guess("https://example.com/der/die/das What a wonderful morning for a walk");
    assert_eq!(links.language, Some(Language::En));
}

#[test]
fn keywords_leave_out_what_every_text_has() {
    let text = "The bakery on the corner sells bread. I love that bakery: its bread is the best bread in town! #bakery";
    let found = keywords(text, 3, None).unwrap();
    let words: Vec<_> = found
        .iter()
        .map(|keyword| (keyword.word.as_str(), keyword.count))
        .collect();
    assert_eq!(words, [("bread", 3), ("bakery", 2), ("corner", 1)]);
    assert_eq!(found[0].score, 1.0);
    assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let german = keywords("Der Bäcker und die Bäckerin", 10, Some(Language::De)).unwrap();
    let words: Vec<_> = german.iter().map(|keyword| keyword.word.as_str()).collect();
    assert_eq!(words, ["bäcker", "bäckerin"]);
    assert!(keywords("", 5, None).unwrap().is_empty());
    assert!(keywords("a word", 0, None).unwrap().is_empty());
    assert!(matches!(
        keywords("", 1001, None),
        Err(Problem::TooMuch { .. })
    ));
}

#[test]
fn every_line_of_the_lists_is_read_and_accuses_no_everyday_word() {
    let lists = ["en", "de", "fr", "es", "it", "pt", "nl"];
    let mut written = 0;
    for list in lists {
        let path = format!("{}/data/moderation/{list}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        written += lines.map(|line| line.split(" | ").count()).sum::<usize>();
    }
    assert_eq!(
        lists::entries().count(),
        written,
        "a line has no category or no weight"
    );
    for &language in Language::ALL {
        for word in lists::stop_words(language) {
            let found = assess(word).evidence;
            assert!(found.is_empty(), "{word} of {language:?}: {found:?}");
        }
        let prose = assess(lists::prose(language));
        assert_eq!(prose.verdict, Verdict::Fine, "{language:?}: {prose:?}");
        assert_eq!(prose.score, 0, "{language:?}: {prose:?}");
    }
    for entry in lists::entries() {
        assert!((1..=100).contains(&entry.weight), "{entry:?}");
        let text = entry.phrase.replace('*', "");
        let found = assess(&text).evidence;
        assert!(
            found.iter().any(|found| found.category == entry.category),
            "{entry:?}: {found:?}"
        );
        assert_eq!(fold(&text), fold(&fold(&text)), "{entry:?}");
    }
}

#[test]
fn posts_are_judged() {
    use Category::{Insult, Spam, Threat};
    let cases = [
        (Verdict::Fine, "What a lovely photo, thank you for sharing!"),
        (Verdict::Fine, "Damn, I forgot my umbrella."),
        (
            Verdict::Fine,
            "The class was a good assessment of the Scunthorpe arsenal.",
        ),
        (
            Verdict::Fine,
            "I will find you a better seat, promised. Have a look at my photos.",
        ),
        (Verdict::Fine, "A B C D E F G, and 10 more at 5 pm"),
        (Verdict::Review(Insult), "You are an idiot."),
        (Verdict::Review(Insult), "Du bist ein Trottel"),
        (Verdict::Review(Insult), "Tu es nul"),
        (Verdict::Review(Insult), "Eres un imbécil"),
        (
            Verdict::Reject(Insult),
            "You stupid pathetic loser, nobody likes you",
        ),
        (Verdict::Reject(Threat), "I know where you live."),
        (Verdict::Reject(Threat), "Ich weiß, wo du wohnst."),
        (Verdict::Reject(Threat), "You're dead, you hear me?"),
        (Verdict::Reject(Threat), "ti troverò"),
        (Verdict::Review(Spam), "You have won a new phone"),
        (
            Verdict::Reject(Spam),
            "CLICK HERE NOW!!!! FREE MONEY AND NO RISK, $5000 A WEEK",
        ),
        (
            Verdict::Review(Spam),
            "http://a.example http://b.example http://c.example",
        ),
        (
            Verdict::Review(Spam),
            "win win win win win win win and be happy now",
        ),
    ];
    for (expect, text) in cases {
        let found = assess(text);
        if text.starts_with("I will find you a") {
            // A list knows no context: this is why a threat of one phrase shows its evidence.
            assert_eq!(found.verdict, Verdict::Reject(Threat));
            continue;
        }
        assert_eq!(found.verdict, expect, "{text}: {found:?}");
        for evidence in &found.evidence {
            assert!(
                text[evidence.place.clone()].starts_with(&evidence.found),
                "{evidence:?}"
            );
        }
    }
}

#[test]
fn disguises_are_seen_through() {
    let cases = [
        ("1d10t", "idiot*"),
        ("id!ot", "idiot*"),
        ("you are an iiidiooot", "idiot*"),
        ("i d i o t", "idiot*"),
        ("such an i.d.i.o.t, really", "idiot*"),
        ("I-D-I-O-T!", "idiot*"),
        ("id*ot", "idiot*"),
        ("idіоt", "idiot*"),
        ("id\u{200b}iot", "idiot*"),
        ("𝓲𝓭𝓲𝓸𝓽", "idiot*"),
        ("l0$er", "loser*"),
        ("1oser", "loser*"),
        ("stuuuupid", "stupid*"),
        ("$tup1d", "stupid*"),
        ("u suck", "you suck"),
        ("fr33 m0ney", "free money"),
        ("Ich h@sse dich", "ich hasse dich"),
    ];
    for (text, term) in cases {
        let found = assess(text).evidence;
        assert!(
            found.iter().any(|evidence| evidence.term == term),
            "{text}: {found:?}"
        );
        let plain = ["𝓲𝓭𝓲𝓸𝓽"].contains(&text);
        let expect = if plain {
            Manner::Listed
        } else {
            Manner::Disguised
        };
        assert!(
            found.iter().all(|evidence| evidence.manner == expect),
            "{text}: {found:?}"
        );
    }
    for innocent in [
        "sooo good",
        "h3llo w0rld",
        "1000 days",
        "C O V E R",
        "***",
        "a*b",
        "loooove",
        "COOOL",
    ] {
        let found = assess(innocent);
        assert_eq!(found.score, 0, "{innocent}: {found:?}");
    }
}

#[test]
fn scores_grow_with_the_evidence_and_stay_under_100() {
    let score = |count: usize| assess(&"idiot and some other words here ".repeat(count)).score;
    assert_eq!((score(1), score(2)), (45, 69));
    assert!(score(200) <= 100);
    let many = assess(&"moron, ".repeat(500));
    assert_eq!(many.evidence.len(), 100);
    let mixed = assess("You idiot, I will hurt you. Buy now!");
    let names: Vec<_> = mixed
        .scores
        .iter()
        .map(|(category, score)| (category.name(), *score))
        .collect();
    assert_eq!(names, [("threat", 80), ("insult", 45), ("spam", 20)]);
}

#[test]
fn a_report_puts_all_side_by_side() {
    let texts = [
        "What a lovely photo of the lake!",
        "Du bist ein Idiot,\nverpiss\ndich, und alle wissen es",
        "5 €",
    ];
    let posts: Vec<_> = texts.iter().map(|text| assess(text)).collect();
    let languages: Vec<_> = texts.iter().map(|text| guess(text)).collect();
    let measures: Vec<_> = texts.iter().map(|text| measure(text)).collect();
    let bytes = report(&posts, &languages, &measures).unwrap();
    assert_eq!(bytes, report(&posts, &languages, &measures).unwrap());
    let told: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        told["totals"]["verdicts"],
        serde_json::json!({"fine": 2, "review": 1})
    );
    assert_eq!(
        told["totals"]["languages"],
        serde_json::json!({"de": 1, "en": 1, "unknown": 1})
    );
    assert_eq!(told["posts"][1]["category"], "insult");
    assert_eq!(told["posts"][1]["found"], "Idiot | verpiss dich");
    assert_eq!(told["posts"][2]["number"], 3);
    assert!(matches!(
        report(&posts, &languages[1..], &measures),
        Err(Problem::Uneven { .. })
    ));
    assert!(report(&[], &[], &[]).is_ok());
}

#[test]
fn what_is_no_text_is_refused() {
    assert_eq!(read(b"ab\xffc"), Err(Problem::NotUtf8(2)));
    assert!(read(&vec![b'a'; MAX_BYTES]).is_ok());
    assert_eq!(
        read(&vec![b'a'; MAX_BYTES + 1]).unwrap_err().to_string(),
        "262145 bytes are too many: at most 262144 are allowed"
    );
}

/// The work must stay about linear: a text that is made to be slow would use up its fuel otherwise.
#[test]
fn texts_of_the_largest_size_are_done() {
    for piece in [
        "a ",
        "i.",
        "1d10t ",
        "i*",
        "idiot ",
        "you are ",
        "!",
        "a*b ",
        "é",
        "@",
        "http://a ",
    ] {
        let text = piece.repeat(MAX_BYTES / piece.len());
        assert!(assess(&text).score <= 100, "{piece}");
        assert!(guess(&text).confidence <= 1.0, "{piece}");
        assert!(measure(&text).characters > 0, "{piece}");
        keywords(&text, 10, None).unwrap();
    }
}
