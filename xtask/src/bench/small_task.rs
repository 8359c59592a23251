//! Target 4: the first run of a small task whose module is loaded, up to its signed receipt.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipvm_ipld::{Cid, Ipld, cid_of, codec};
use ipvm_ucan::{
    Delegation, DelegationPayload, Invocation, InvocationPayload, Keypair, Outcome, Policy,
    Receipt, ReceiptMeta, ReceiptPayload,
};
use ipvm_wasm::{Call, Cancel, Engine, Limits, NoContent, Settings};
use ipvm_workflow::{Computation, Task, WASM_RUN, WasmCall};
use wasmtime::component::{Component, Linker};

use super::measure::{Figure, Plan, Row};
use super::setting::Setting;

const LIMITS: Limits = Limits {
    fuel: 10_000_000_000,
    memory: 256 << 20,
    time: Duration::from_secs(60),
    output: 64 << 20,
    log: 1 << 20,
};

struct Agent {
    owner: Keypair,
    agent: Keypair,
    delegation: Delegation,
}

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let bytes = ipvm_testkit::component(ipvm_testkit::CALC);
    let module = cid_of(codec::RAW, &bytes);
    let engine = Engine::new(&Settings::default())?;
    let mut fetch = || Ok::<Vec<u8>, std::io::Error>(bytes.clone());
    engine.load(&module, &mut fetch)?;
    let agent = Agent::new()?;
    let raw = Raw::new(&bytes)?;
    let plan = Plan {
        name: "4 small task to signed receipt",
        floor: "raw wasmtime, pooled: store, instantiate, call + one Ed25519 signature",
        target: "≤ floor + 100 µs",
        conditions: "module loaded, task and invocation made and signed, receipt signed, no fsync",
        rounds: setting.count(20_000, 5),
    };
    let figure = Figure::measure(
        &plan,
        |round| {
            let sum = raw.add(round as u32, 1)?;
            Ok((sum, agent.agent.sign(&sum.to_le_bytes())))
        },
        |round| {
            let module_loaded = engine.load(&module, &mut fetch)?;
            agent.carry_out(&module_loaded, module, round as u32)
        },
    )?;
    Ok(vec![figure.into()])
}

impl Agent {
    fn new() -> Result<Self> {
        let (owner, agent) = (Keypair::from_seed(&[1; 32]), Keypair::from_seed(&[2; 32]));
        let delegation = Delegation::sign(
            &owner,
            DelegationPayload {
                iss: owner.did().clone(),
                aud: agent.did().clone(),
                sub: Some(owner.did().clone()),
                cmd: "/".parse()?,
                pol: Policy::none(),
                nonce: vec![0; 12],
                meta: None,
                nbf: None,
                exp: None,
            },
        )?;
        Ok(Self {
            owner,
            agent,
            delegation,
        })
    }

    /// What the node does for one task, but for the look-up and the commit.
    fn carry_out(&self, module: &ipvm_wasm::Module, cid: Cid, number: u32) -> Result<Receipt> {
        let args = vec![Ipld::Integer(number.into()), Ipld::Integer(1)];
        let call = WasmCall {
            module: cid,
            function: "add".to_owned(),
            args: args.clone(),
        };
        let task = Task {
            sub: self.owner.did().clone(),
            cmd: WASM_RUN.parse()?,
            args: call.into_args(),
            nonce: Vec::new(),
        };
        let computation = Computation {
            cmd: task.cmd.clone(),
            args: task.args.clone(),
        }
        .cid()?;
        let done = module.call(&Call {
            function: "add",
            args: &args,
            limits: LIMITS,
            content: &NoContent,
            cancel: &Cancel::new(),
            seed: [0; 32],
        })?;
        let invocation = Invocation::sign(
            &self.agent,
            InvocationPayload {
                iss: self.agent.did().clone(),
                sub: task.sub.clone(),
                aud: Some(self.agent.did().clone()),
                cmd: task.cmd.clone(),
                args: task.args.clone(),
                prf: vec![self.delegation.cid()],
                nonce: Vec::new(),
                exp: Some(1_900_000_000),
                iat: None,
                cause: None,
                meta: None,
            },
        )?;
        let value = done.out.ok().context("add has no error")?;
        ensure!(value == Ipld::Integer(i128::from(number) + 1), "wrong sum");
        let receipt = ReceiptPayload {
            ran: task.cid()?,
            out: Outcome::Ok(value),
            run: None,
            meta: ReceiptMeta {
                inv: invocation.cid(),
                computation: Some(computation),
                memo: None,
                log: None,
                engine: "bench".to_owned(),
                fuel: done.fuel,
                started: 1_700_000_000,
                took: 1,
            },
        };
        Ok(Receipt::sign(&self.agent, receipt)?)
    }
}

/// The engine itself, with the settings that make results deterministic, and nothing around it.
struct Raw {
    engine: wasmtime::Engine,
    pre: wasmtime::component::InstancePre<()>,
}

impl Raw {
    fn new(bytes: &[u8]) -> Result<Self> {
        let mut config = wasmtime::Config::new();
        config
            .consume_fuel(true)
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true);
        config.allocation_strategy(wasmtime::InstanceAllocationStrategy::pooling());
        let engine = wasmtime::Engine::new(&config).map_err(super::plain)?;
        let component = Component::new(&engine, bytes).map_err(super::plain)?;
        let linker: Linker<()> = Linker::new(&engine);
        let pre = linker.instantiate_pre(&component).map_err(super::plain)?;
        Ok(Self { engine, pre })
    }

    fn add(&self, a: u32, b: u32) -> Result<u32> {
        let mut store = wasmtime::Store::new(&self.engine, ());
        store.set_fuel(LIMITS.fuel).map_err(super::plain)?;
        store.set_epoch_deadline(1_000_000);
        let instance = self.pre.instantiate(&mut store).map_err(super::plain)?;
        let add = instance
            .get_typed_func::<(u32, u32), (u32,)>(&mut store, "add")
            .map_err(super::plain)?;
        let (sum,) = add.call(&mut store, (a, b)).map_err(super::plain)?;
        Ok(sum)
    }
}
