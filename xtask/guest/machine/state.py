"""A machine that is stopped and continued, and whose state is saved."""

import time

from case import case, check


@case("stop-cont", ci=(2,))
def stop_cont(run):
    """What a stopped guest misses, it does not notice."""
    qemu = run.qemu()
    seen = qemu.expect("KVM-LA-STEADY 3 ")
    for _ in range(3):
        qemu.qmp("stop")
        check(qemu.status() == "paused", "it is not paused")
        time.sleep(5)
        qemu.qmp("cont")
        seen = qemu.expect("KVM-LA-STEADY ", after=seen)
    qemu.quit()
