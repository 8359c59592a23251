//! The WIT interface `ipvm:json/json` of this component.

use crate::problem::Problem;
use crate::{canonical, change, path, table, template};

wit_bindgen::generate!({ world: "documents", path: "wit" });

use exports::ipvm::json::json as wit;

struct Documents;

export!(Documents);

impl From<Problem> for wit::Problem {
    fn from(problem: Problem) -> Self {
        let refusal = |at, message| wit::Refusal { at, message };
        match problem {
            Problem::Syntax {
                line,
                column,
                message,
            } => Self::Syntax(wit::Fault {
                line,
                column,
                message,
            }),
            Problem::TooMuch { what, given, most } => Self::TooMuch(wit::Excess {
                what: what.to_owned(),
                given,
                most,
            }),
            Problem::Path { at, message } => Self::Path(refusal(at, message)),
            Problem::Operation { at, message } => Self::Operation(refusal(at, message)),
            Problem::Template { at, message } => Self::Template(refusal(at, message)),
            Problem::Table { at, message } => Self::Table(refusal(at, message)),
            Problem::Number(number) => Self::Number(number),
        }
    }
}

type Answer = Result<Vec<u8>, wit::Problem>;

impl wit::Guest for Documents {
    fn query(document: Vec<u8>, path: String) -> Answer {
        Ok(path::query(&document, &path)?)
    }

    fn locate(document: Vec<u8>, path: String) -> Result<Vec<String>, wit::Problem> {
        Ok(path::locate(&document, &path)?)
    }

    fn transform(document: Vec<u8>, template: String) -> Answer {
        Ok(template::transform(&document, &template)?)
    }

    fn patch(document: Vec<u8>, patch: Vec<u8>) -> Answer {
        Ok(change::patch(&document, &patch)?)
    }

    fn merge(document: Vec<u8>, patch: Vec<u8>) -> Answer {
        Ok(change::merge(&document, &patch)?)
    }

    fn diff(before: Vec<u8>, to: Vec<u8>) -> Answer {
        Ok(change::diff(&before, &to)?)
    }

    fn canonical(document: Vec<u8>) -> Answer {
        Ok(canonical::canonical(&document)?)
    }

    fn to_csv(document: Vec<u8>, columns: Vec<String>) -> Answer {
        Ok(table::to_csv(&document, &columns)?)
    }

    fn from_csv(table: Vec<u8>, typed: bool) -> Answer {
        Ok(table::from_csv(&table, typed)?)
    }
}
