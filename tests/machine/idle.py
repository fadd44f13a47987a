# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A machine whose CPUs sleep: stopped, looked at, and woken up again."""

import random
import time

import registers
from case import case
from shell import APPEND, Shell

# How often, by tier.
STOPS = {"ci": 20, "full": 60, "everything": 200}


@case("idle-stop", ci=(1,), irqchip=("on", "off"))
def idle_stop(run):
    """However often it is stopped and looked at while it sleeps, a line on its
    console wakes it, and its timers do."""
    qemu = run.qemu(append=APPEND)
    shell = Shell(qemu)
    dice = random.Random(run.smp)
    for number in range(STOPS[run.tier]):
        time.sleep(dice.uniform(0, 0.02))
        qemu.qmp("stop")
        if dice.random() < 0.7:
            registers.of_all(qemu)
        time.sleep(dice.uniform(0, 0.02))
        qemu.qmp("cont")
        # By its own timer, or by the console at once.
        shell.run("sleep 0.05" if number % 4 == 0 else "true", 20)
    qemu.quit()
