//! One module for each family of verbs.

mod call;
mod content;
mod explain;
mod home;
mod inspect;
mod keep;
mod key;
mod name;
mod new;
mod provider;
mod receipt;
mod run;
mod shell;
mod store;
mod ucan;
mod workflow;

use crate::cli::Verb;
use crate::context::Context;
use crate::fault::Code;

/// Does what the user asked for.
pub(crate) fn dispatch(context: &mut Context, verb: Verb) -> anyhow::Result<Code> {
    match verb {
        Verb::Run(verb) => run::run(context, &verb),
        Verb::Call(verb) => call::call(context, verb),
        Verb::Add(verb) => content::add(context, &verb),
        Verb::Ls(verb) => content::ls(context, &verb),
        Verb::Cat(verb) => content::cat(context, &verb),
        Verb::Get(verb) => content::get(context, &verb),
        Verb::Inspect(verb) => inspect::inspect(context, &verb),
        Verb::Receipt(verb) => receipt::receipt(context, &verb),
        Verb::Workflow(verb) => workflow::workflow(context, &verb),
        Verb::Provider(verb) => provider::provider(context, &verb),
        Verb::Key(verb) => key::key(context, &verb),
        Verb::Name(verb) => name::name(context, &verb),
        Verb::Ucan(verb) => ucan::ucan(context, verb),
        Verb::Explain(verb) => explain::explain(context, verb),
        Verb::Store(verb) => store::store(context, &verb),
        Verb::Home(verb) => home::home(context, &verb),
        Verb::CompileModule => Ok(compile_module()),
        Verb::New(verb) => new::new(context, &verb),
        Verb::Completions(verb) => shell::completions(context, &verb),
        Verb::Man(_) => shell::man(context),
    }
}

/// What the process for compiling does: it has nothing but its two streams, and no home.
fn compile_module() -> Code {
    if ipvm_wasm::compile_child(std::io::stdin().lock(), std::io::stdout().lock())
        == std::process::ExitCode::SUCCESS
    {
        Code::Done
    } else {
        Code::Failed
    }
}
