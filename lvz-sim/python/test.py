# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Tests of the module lvz_sim, which has to be on sys.path."""

import inspect
import struct
import tempfile
import threading
import unittest
from pathlib import Path

from lvz_sim import Simulation

START = 0x200000
# 'h' goes to the UART, 42 into the guest's SAVE0, and the machine is switched off with code 3.
PROGRAM = struct.pack(
    "<10I",
    0x02C0A804,  # addi.d  $a0, $zero, 42
    0x0500C024,  # gcsrwr  $a0, 0x30
    0x143FC005,  # lu12i.w $a1, 0x1fe00
    0x02C1A006,  # addi.d  $a2, $zero, 'h'
    0x290780A6,  # st.b    $a2, $a1, 0x1e0
    0x14201C05,  # lu12i.w $a1, 0x100e0
    0x02C00C06,  # addi.d  $a2, $zero, 3
    0x29007CA6,  # st.b    $a2, $a1, 0x1f
    0x02C0D006,  # addi.d  $a2, $zero, 0x34
    0x290070A6,  # st.b    $a2, $a1, 0x1c
)
SPIN = struct.pack("<I", 0x50000000)  # b 0


def machine(**options):
    return Simulation(program=(START, PROGRAM), memory=64 << 20, **options)


class Tests(unittest.TestCase):
    def test_a_program_runs_to_its_end(self):
        simulation = machine(cpus=2)
        self.assertEqual(simulation.cpus, 2)
        self.assertEqual(simulation.run(1000), "power-off")
        self.assertEqual(simulation.exit_code, 3)
        self.assertEqual(simulation.uart, b"h")
        self.assertEqual(simulation.guest_csr("save0"), 42)
        simulation.restart()
        self.assertIsNone(simulation.exit_code)

    def test_help_describes_each_keyword(self):
        keywords = inspect.signature(Simulation).parameters
        self.assertIn("fdt_protocol", keywords)
        for keyword in keywords:
            self.assertIn(f" {keyword}=", Simulation.__doc__)

    def test_step(self):
        simulation = machine()
        self.assertEqual((simulation.pc(), simulation.register(4)), (START, 0))
        self.assertIsNone(simulation.step())
        self.assertEqual((simulation.pc(), simulation.register(4)), (START + 4, 42))
        self.assertEqual(simulation.instructions, 1)
        self.assertFalse(simulation.in_guest())

    def test_until_a_condition_or_the_limit(self):
        simulation = Simulation(program=(START, SPIN), memory=64 << 20)
        end = simulation.run_until(lambda m: m.instructions >= 250_000, 10_000_000)
        self.assertEqual(end, "condition")
        before = simulation.instructions
        self.assertLess(before, 500_000)
        self.assertEqual(simulation.run_until(lambda m: False, 1_000_000), "limit")
        self.assertEqual(simulation.run(30_000_000), "limit")
        self.assertGreaterEqual(simulation.instructions, before + 31_000_000)
        with self.assertRaisesRegex(ZeroDivisionError, "division"):
            simulation.run_until(lambda m: 1 / 0, 1_000_000)

    def test_other_threads_run_meanwhile(self):
        simulation = Simulation(program=(START, SPIN), memory=64 << 20)
        turns = 0
        ended = threading.Event()

        def other():
            nonlocal turns
            while not ended.wait(0.001):
                turns += 1

        thread = threading.Thread(target=other)
        thread.start()
        before = turns
        simulation.run(300_000_000)
        during = turns - before
        ended.set()
        thread.join()
        self.assertGreaterEqual(during, 5)

    def test_threads_use_a_machine_one_at_a_time(self):
        simulation = Simulation(program=(START, SPIN), memory=64 << 20)
        thread = threading.Thread(target=simulation.run, args=(300_000_000,))
        thread.start()
        refused = 0
        while thread.is_alive():
            try:
                simulation.pc()
            except RuntimeError as error:
                self.assertIn("borrowed", str(error))
                refused += 1
        thread.join()
        self.assertGreater(refused, 0)
        self.assertGreaterEqual(simulation.instructions, 300_000_000)

    def test_a_snapshot_has_the_same_future(self):
        simulation = machine()
        simulation.step()
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "snapshot"
            simulation.save(file)
            twin = Simulation(snapshot=file, memory=64 << 20)
        for both in (simulation, twin):
            both.run(1000)
        self.assertEqual(twin.state_hash, simulation.state_hash)

    def test_memory(self):
        simulation = machine()
        simulation.write_memory(START + 0x1000, b"bytes")
        self.assertEqual(simulation.read_memory(START + 0xFFF, 7), b"\0bytes\0")
        simulation.restart()
        self.assertEqual(simulation.read_memory(START + 0x1000, 5), bytes(5))
        self.assertEqual(simulation.read_memory(START, 40), PROGRAM)

    def test_csrs(self):
        simulation = machine()
        self.assertEqual(simulation.csr("CRMD"), 8)
        self.assertEqual(simulation.csr(0), simulation.csr("crmd"))
        simulation.set_csr("EENTRY", 0x1234)
        simulation.set_guest_csr("EENTRY", 0x5000)
        self.assertEqual((simulation.csr(0xC), simulation.guest_csr(0xC)), (0x1000, 0x5000))
        simulation.set_register(4, 7)
        simulation.set_pc(START + 4)
        self.assertIsNone(simulation.step())
        self.assertEqual((simulation.pc(), simulation.guest_csr("SAVE0")), (START + 8, 7))

    def test_findings(self):
        # csrwr $a0, 0xc (EENTRY), then back to it.
        program = struct.pack("<2I", 0x04003024, 0x53FFFFFF)
        for lints in (False, True):
            simulation = Simulation(program=(START, program), memory=64 << 20, lints=lints)
            simulation.set_register(4, 0x1234)
            simulation.run(1000)
            self.assertEqual(len(simulation.findings), lints)
        (finding,) = simulation.findings
        self.assertIn("EENTRY", str(finding))
        place = (finding.rule, finding.cpu, finding.pc)
        self.assertEqual(place, ("EntryAlignment", 0, START))

    def test_what_a_machine_starts_with(self):
        with tempfile.TemporaryDirectory() as directory:
            file, tree = (Path(directory, name) for name in ("file", "tree"))
            file.write_bytes(PROGRAM)
            loaded = Simulation(load=[(START, file)], fdt_protocol=True, memory=64 << 20)
            self.assertEqual(loaded.register(4), 2**64 - 2)
            size = struct.unpack(">2I", loaded.read_memory(loaded.register(5), 8))
            self.assertEqual(size[0], 0xD00DFEED)
            tree.write_bytes(loaded.read_memory(loaded.register(5), size[1]))
            self.assertEqual(loaded.run(1000), "power-off")
            board = {"machine": "virt", "memory": 64 << 20}
            other = Simulation(load=[(START, file)], device_tree=tree, **board)
            self.assertEqual(other.run(1000), "power-off")
            acpi = Simulation(load=[(START, file)], acpi=True, drives=[file, tree], **board)
            self.assertEqual(acpi.read_memory(0x40000, 8), b"RSD PTR ")
            firmware = Simulation(firmware=file, **board)
            self.assertEqual(firmware.pc(), 0x1C000000)
            self.assertEqual(firmware.run(1000), "power-off")
            for options, error in [
                ({"load": [file]}, "not an ELF"),
                ({"load": [(START, tree)], "device_tree": file}, "device tree"),
                ({"load": [(START, file)], "drives": [Path(directory, "none")]}, "none"),
                ({"firmware": file, "firmware_variables": file}, "256 KiB"),
            ]:
                with self.assertRaisesRegex(RuntimeError, error):
                    Simulation(**options, **board)

    def test_readings_and_the_pace_of_instructions(self):
        simulation = machine(lvz="reset=ones", ns_per_instruction=10)
        self.assertEqual(simulation.csr("GSTAT") >> 16 & 0xFF, 0xFF)

    def test_what_cannot_be_done(self):
        simulation = machine()
        with self.assertRaisesRegex(RuntimeError, "unknown LVZ switch"):
            machine(lvz="nothing=1")
        with self.assertRaisesRegex(RuntimeError, "1001 ns"):
            machine(ns_per_instruction=1001)
        with self.assertRaisesRegex(RuntimeError, "not all of it is RAM"):
            simulation.read_memory(1 << 40, 8)
        with self.assertRaisesRegex(RuntimeError, "not all of it is RAM"):
            simulation.read_memory(START, 1 << 62)
        with self.assertRaisesRegex(RuntimeError, "nothing to run"):
            Simulation()
        with self.assertRaisesRegex(RuntimeError, "17 CPUs"):
            machine(cpus=17)
        with self.assertRaisesRegex(RuntimeError, "virt-mmio, virt, 3a5000"):
            machine(machine="pc")
        with self.assertRaisesRegex(IndexError, "CPU 1"):
            simulation.register(4, cpu=1)
        with self.assertRaisesRegex(IndexError, "register 32"):
            simulation.register(32)
        with self.assertRaisesRegex(KeyError, "NOTHING"):
            simulation.csr("NOTHING")
        with self.assertRaisesRegex(IndexError, "CPU 1"):
            simulation.set_pc(START, cpu=1)
        with self.assertRaisesRegex(IndexError, "CPU 1"):
            simulation.step(cpu=1)
        with self.assertRaisesRegex(RuntimeError, "no CSR 0x123"):
            simulation.set_csr(0x123, 0)


if __name__ == "__main__":
    unittest.main()
