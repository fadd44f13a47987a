// SPDX-License-Identifier: Apache-2.0 OR MIT

//! Scalar floating-point comparisons (volume 1, 3.2.2) and the branches on their results (3.2.5).

use super::fp_operands::{Scalar, condition, operate, set_condition};
use super::operand::offset;
use crate::cpu::{Cpu, Group, Op, Step};
use crate::fp::Condition;
use la_arch::Exception;
use la_arch::insn::fp as enc;

fn fcmp<F: Scalar>(cpu: &mut Cpu, op: &Op) -> Step {
    // The table has only conditions that exist.
    let Some(condition) = Condition::decode(op.insn >> 15 & 0x1f) else {
        return Err(cpu.raise(Exception::INE));
    };
    let holds = operate(cpu, |cpu, env| {
        condition.holds::<F>(F::get(cpu, op.rj), F::get(cpu, op.rk), env)
    })?;
    set_condition(cpu, op.rd, holds);
    Ok(())
}

#[inline(always)]
fn branch_if(cpu: &mut Cpu, op: &Op, wanted: bool) -> Step {
    cpu.require_fp()?;
    if condition(cpu, op.rj) == wanted {
        return cpu.jump(cpu.pc_of(op).wrapping_add(offset(op)));
    }
    Ok(())
}

macro_rules! compare {
    ($($s:ident $d:ident)*) => {
        crate::insn_table! { Group::Fp;
            $($s => |cpu, _bus, op| fcmp::<f32>(cpu, op);
            $d => |cpu, _bus, op| fcmp::<f64>(cpu, op);)*
            BCEQZ => |cpu, _bus, op| branch_if(cpu, op, false), @branch;
            BCNEZ => |cpu, _bus, op| branch_if(cpu, op, true), @branch;
        }
    };
}

compare! {
    FCMP_CAF_S FCMP_CAF_D
    FCMP_SAF_S FCMP_SAF_D
    FCMP_CLT_S FCMP_CLT_D
    FCMP_SLT_S FCMP_SLT_D
    FCMP_CEQ_S FCMP_CEQ_D
    FCMP_SEQ_S FCMP_SEQ_D
    FCMP_CLE_S FCMP_CLE_D
    FCMP_SLE_S FCMP_SLE_D
    FCMP_CUN_S FCMP_CUN_D
    FCMP_SUN_S FCMP_SUN_D
    FCMP_CULT_S FCMP_CULT_D
    FCMP_SULT_S FCMP_SULT_D
    FCMP_CUEQ_S FCMP_CUEQ_D
    FCMP_SUEQ_S FCMP_SUEQ_D
    FCMP_CULE_S FCMP_CULE_D
    FCMP_SULE_S FCMP_SULE_D
    FCMP_CNE_S FCMP_CNE_D
    FCMP_SNE_S FCMP_SNE_D
    FCMP_COR_S FCMP_COR_D
    FCMP_SOR_S FCMP_SOR_D
    FCMP_CUNE_S FCMP_CUNE_D
    FCMP_SUNE_S FCMP_SUNE_D
}
