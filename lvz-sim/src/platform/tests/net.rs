// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The network device, with a driver on one side and a peer on the other.

use super::driver::Driver;
use super::*;
use crate::platform::net::{FRAME_MAX, Link, Mac, NetConfig};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};
use vm_memory::Bytes;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);
pub(super) const HEADER: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
/// Interrupt status: a used buffer, a change of the configuration.
const USED: u64 = 1;
const CONFIG: u64 = 2;

/// The other end of the link.
pub(super) struct Peer(UnixStream);

impl Peer {
    pub(super) fn send(&mut self, frame: &[u8]) {
        self.0
            .write_all(&(frame.len() as u32).to_be_bytes())
            .unwrap();
        self.0.write_all(frame).unwrap();
    }

    pub(super) fn frame(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame).unwrap();
        frame
    }
}

fn linked(stream: UnixStream) -> Net {
    stream.set_nonblocking(true).unwrap();
    Net {
        mac: MAC,
        mtu: None,
        link: Link::to(stream),
    }
}

/// A network device with its peer.
pub(super) fn net() -> (Net, Peer) {
    let (near, far) = UnixStream::pair().unwrap();
    (linked(near), Peer(far))
}

fn rig_of(net: Net) -> Rig {
    Rig::with(PlatformConfig {
        net: Some(net),
        ..PlatformConfig::default()
    })
}

/// A machine whose transport 1 is a network device.
pub(super) fn rig_with_net() -> (Rig, Peer) {
    let (net, peer) = net();
    (rig_of(net), peer)
}

/// What the driver finds in its buffer.
fn received(rig: &Rig, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    rig.ram
        .read_slice(&mut bytes, GuestAddress(0x40_0000))
        .unwrap();
    assert_eq!(bytes[..12], HEADER);
    bytes.split_off(12)
}

fn link_is_up(rig: &mut Rig) -> bool {
    rig.read(VIRTIO_BASE + VIRTIO_STRIDE + 0x106, 2) == 1
}

#[test]
fn frames_go_both_ways() {
    let (mut rig, mut peer) = rig_with_net();
    let base = VIRTIO_BASE + VIRTIO_STRIDE;
    assert_eq!(rig.read(base + 8, 4), 1);
    let mac = rig.read(base + 0x100, 8).to_le_bytes();
    assert_eq!(mac, [2, 0, 0, 0, 0, 9, 1, 0]);
    let mut driver = Driver::new(&mut rig, 1, 2);
    // MAC and STATUS, no MTU, nothing about offloads.
    assert_eq!(driver.features(&mut rig) & 0xff_ffff, 1 << 5 | 1 << 16);
    // In as many buffers as the driver likes.
    driver.queue(
        &mut rig,
        1,
        &[&HEADER[..7], &HEADER[7..], b"fra", b"me"],
        &[],
    );
    assert_eq!(driver.used(&rig, 1), (1, 0));
    rig.platform.advance(1);
    assert_eq!(peer.frame(), b"frame");
    driver.queue(&mut rig, 0, &[], &[5, 64, 2000]);
    rig.platform.advance(2);
    assert_eq!(driver.used(&rig, 0).0, 0);
    driver.set(&mut rig, 0x64, USED);
    rig.platform.take_dma();
    peer.send(b"answer");
    peer.send(b"and more");
    rig.platform.advance(3);
    assert_eq!(driver.used(&rig, 0), (1, 18));
    assert_eq!(driver.get(&mut rig, 0x60), USED);
    assert!(rig.platform.take_dma());
    // The buffers are not one after the other in memory.
    let first: [u8; 5] = rig.ram.read_obj(GuestAddress(0x40_0000)).unwrap();
    let second: [u8; 13] = rig.ram.read_obj(GuestAddress(0x40_0040)).unwrap();
    assert_eq!(
        [&first[..], &second[..]].concat(),
        [&HEADER[..], b"answer"].concat()
    );
    // The second frame waits for the next buffer.
    driver.queue(&mut rig, 0, &[], &[100]);
    assert_eq!(driver.used(&rig, 0), (2, 20));
    assert_eq!(received(&rig, 20), b"and more");
}

#[test]
fn two_devices_back_to_back() {
    let (left, right) = UnixStream::pair().unwrap();
    let mut rigs = [rig_of(linked(left)), rig_of(linked(right))];
    let mut drivers = [0, 1].map(|i| Driver::new(&mut rigs[i], 1, 2));
    for length in [1, 14, 60, 1514, 65_536, FRAME_MAX] {
        for (from, to) in [(0, 1), (1, 0)] {
            let frame: Vec<u8> = (0..length).map(|i| (i * 7 + from) as u8).collect();
            let (before, _) = drivers[to].used(&rigs[to], 0);
            drivers[to].queue(&mut rigs[to], 0, &[], &[12, FRAME_MAX as u32]);
            drivers[from].queue(&mut rigs[from], 1, &[&HEADER, &frame], &[]);
            rigs[from].platform.advance(1);
            rigs[to].platform.advance(1);
            let used = drivers[to].used(&rigs[to], 0);
            assert_eq!(used, (before + 1, length as u32 + 12));
            let mut bytes = vec![0; length];
            let at = GuestAddress(0x40_0040);
            rigs[to].ram.read_slice(&mut bytes, at).unwrap();
            assert!(bytes == frame, "{length}");
        }
    }
}

#[test]
fn without_buffers_frames_wait_and_the_peer_with_them() {
    let (mut rig, mut peer) = rig_with_net();
    let mut driver = Driver::new(&mut rig, 1, 2);
    // The peer sends as long as it can, with the number of the frame in each.
    peer.0.set_nonblocking(true).unwrap();
    let mut stream = Vec::new();
    let mut sent = 0usize;
    let mut rest = 0;
    for now in 0..2000 {
        loop {
            if rest == stream.len() {
                stream = 1500u32.to_be_bytes().to_vec();
                stream.resize(1504, sent as u8);
                rest = 0;
                sent += 1;
            }
            match peer.0.write(&stream[rest..]) {
                Ok(count) => rest += count,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        rig.platform.advance(now);
    }
    assert!(sent * 1500 > 1 << 20, "the device holds some");
    assert!(sent * 1500 < 8 << 20, "but not all: {sent} frames");
    assert_eq!(driver.used(&rig, 0).0, 0);
    // None of them is lost.
    for number in 0..sent - 1 {
        driver.queue(&mut rig, 0, &[], &[2000]);
        rig.platform.advance(3000);
        assert_eq!(driver.used(&rig, 0), (number as u16 + 1, 1512));
        assert_eq!(received(&rig, 1512), [number as u8; 1500]);
    }
}

#[test]
fn a_peer_that_does_not_read_makes_the_driver_wait() {
    let (mut rig, mut peer) = rig_with_net();
    let mut driver = Driver::new(&mut rig, 1, 2);
    let mut sent = 0u16;
    while driver.used(&rig, 1).0 == sent {
        assert!(sent < 1000, "where do they all go?");
        driver.queue(&mut rig, 1, &[&HEADER, &[sent as u8; 60_000]], &[]);
        rig.platform.advance(u64::from(sent));
        sent += 1;
    }
    // The last one goes on its way when the peer has read.
    assert_eq!(driver.used(&rig, 1).0, sent - 1);
    for number in 0..sent - 1 {
        assert_eq!(peer.frame(), vec![number as u8; 60_000]);
        rig.platform.advance(2000);
    }
    assert_eq!(driver.used(&rig, 1).0, sent);
    rig.platform.advance(2001);
    assert_eq!(peer.frame(), vec![(sent - 1) as u8; 60_000]);
}

/// What ends a link: the driver is told, frames get lost, the machine goes on.
#[test]
fn a_link_goes_down() {
    let too_long = (FRAME_MAX as u32 + 1).to_be_bytes();
    let ends: [(&[u8], bool); 6] = [
        (b"", true),
        (&[0, 0], true),
        (b"\0\0\x10\0inside a frame", true),
        (&[0; 4], false),
        (&too_long, false),
        (b"GET / HTTP/1.1", false),
    ];
    for (bytes, hang_up) in ends {
        let (mut rig, mut peer) = rig_with_net();
        let mut driver = Driver::new(&mut rig, 1, 2);
        assert!(link_is_up(&mut rig));
        driver.queue(&mut rig, 0, &[], &[100]);
        peer.send(b"the last");
        peer.0.write_all(bytes).unwrap();
        if hang_up {
            drop(peer);
        }
        rig.platform.advance(1);
        // What was complete is there.
        assert_eq!(driver.used(&rig, 0), (1, 20));
        assert!(!link_is_up(&mut rig), "{bytes:?}");
        assert_eq!(driver.get(&mut rig, 0x60), USED | CONFIG);
        driver.set(&mut rig, 0x64, USED | CONFIG);
        driver.queue(&mut rig, 1, &[&HEADER, b"lost"], &[]);
        assert_eq!(driver.used(&rig, 1), (1, 0));
        rig.platform.advance(2);
        assert_eq!(driver.get(&mut rig, 0x60), USED);
        assert_eq!(rig.platform.next_event(), None, "no peer can come");
    }
}

fn open(text: &str, path: &Path) -> Net {
    let text = text.replace("PATH", path.to_str().unwrap());
    Net::open(&text.parse::<NetConfig>().unwrap()).unwrap()
}

#[test]
fn a_listener_takes_one_peer_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ether");
    // What an earlier process left there does not matter.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let mut rig = rig_of(open("stream,listen=PATH", &path));
    let mut driver = Driver::new(&mut rig, 1, 2);
    assert!(!link_is_up(&mut rig));
    for round in 0..3 {
        let mut peer = Peer(UnixStream::connect(&path).unwrap());
        rig.platform.advance(round * 2);
        assert!(link_is_up(&mut rig));
        assert_eq!(driver.get(&mut rig, 0x60), CONFIG);
        driver.set(&mut rig, 0x64, CONFIG);
        peer.send(b"here I am");
        driver.queue(&mut rig, 0, &[], &[100]);
        rig.platform.advance(round * 2 + 1);
        assert_eq!(received(&rig, 21), b"here I am");
        driver.set(&mut rig, 0x64, USED);
        // Another that comes meanwhile waits, and gets the next turn.
        drop(peer);
        rig.platform.advance(round * 2 + 1);
        assert!(!link_is_up(&mut rig));
        assert_eq!(driver.get(&mut rig, 0x60), CONFIG);
        driver.set(&mut rig, 0x64, CONFIG);
    }
    // While it waits, time goes by as on a clock.
    assert!(rig.platform.interactive());
    assert!(rig.platform.next_event().is_some());
    drop(rig);
    assert!(!path.exists());
}

#[test]
fn addresses_that_cannot_be_used() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a socket").unwrap();
    let busy = dir.path().join("busy");
    let _other = open("stream,listen=PATH", &busy);
    for (text, path, expected) in [
        ("stream,connect=PATH", dir.path().join("none"), "connect to"),
        ("stream,connect=PATH", file.clone(), "connect to"),
        ("stream,listen=PATH", file.clone(), "listen at"),
        ("stream,listen=PATH", busy, "listen at"),
        ("stream,listen=PATH", dir.path().join("no/dir"), "listen at"),
    ] {
        let text = text.replace("PATH", path.to_str().unwrap());
        let error = Net::open(&text.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
    assert_eq!(std::fs::read(file).unwrap(), b"not a socket");
}

#[test]
fn tcp_on_the_loopback_interface() {
    let listen = "stream,listen=localhost:0".parse().unwrap();
    assert!(Net::open(&listen).is_ok());
    // A port that was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    let mut peer = open(&format!("stream,connect={address}"), Path::new("")).link;
    let (mut stream, _) = free.accept().unwrap();
    stream.write_all(b"\0\0\0\x05frame").unwrap();
    for _ in 0..100 {
        peer.transfer();
        if peer.first().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(peer.first(), Some(&b"frame"[..]));
}

#[test]
fn frames_for_a_machine_without_a_driver_are_lost() {
    let (mut rig, mut peer) = rig_with_net();
    peer.send(b"too early");
    rig.platform.advance(1);
    let mut driver = Driver::new(&mut rig, 1, 2);
    driver.queue(&mut rig, 0, &[], &[100]);
    rig.platform.advance(2);
    assert_eq!(driver.used(&rig, 0).0, 0);
    peer.send(b"in time");
    rig.platform.advance(3);
    assert_eq!(driver.used(&rig, 0), (1, 19));
    // A reset of the machine keeps the link.
    rig.platform.reset();
    peer.send(b"too late");
    rig.platform.advance(4);
    let mut driver = Driver::new(&mut rig, 1, 2);
    driver.queue(&mut rig, 1, &[&HEADER, b"back again"], &[]);
    rig.platform.advance(5);
    assert_eq!(peer.frame(), b"back again");
}

#[test]
fn the_driver_is_told_the_mtu() {
    let (mut net, _peer) = net();
    net.mtu = Some(9000);
    let mut rig = rig_of(net);
    assert_eq!(rig.read(VIRTIO_BASE + VIRTIO_STRIDE + 0x10a, 2), 9000);
    let driver = Driver::new(&mut rig, 1, 2);
    assert_ne!(driver.features(&mut rig) & 1 << 3, 0);
}

#[test]
fn a_snapshot_has_the_device_but_not_the_link() {
    let (mut rig, mut peer) = rig_with_net();
    let mut driver = Driver::new(&mut rig, 1, 2);
    driver.queue(&mut rig, 0, &[], &[100]);
    rig.platform.advance(5);
    let state = rig.platform.save().unwrap();
    let mut memory = vec![0; 64 << 20];
    rig.ram.read_slice(&mut memory, GuestAddress(0)).unwrap();
    let restored = |net| {
        let mut rig = rig_of(net);
        rig.ram.write_slice(&memory, GuestAddress(0)).unwrap();
        rig.platform.restore(&state).map(|()| rig)
    };
    // The link is made anew, to another peer.
    peer.send(b"not for the next");
    let (other, mut new_peer) = net();
    let mut rig = restored(other).unwrap();
    rig.platform.advance(6);
    assert_eq!(driver.get(&mut rig, 0x60), 0);
    new_peer.send(b"hello");
    rig.platform.advance(7);
    assert_eq!(received(&rig, 17), b"hello");
    // Or it is down, and the driver hears of it.
    let dir = tempfile::tempdir().unwrap();
    let waits = Net {
        mac: MAC,
        ..open("stream,listen=PATH", &dir.path().join("ether"))
    };
    let mut rig = restored(waits).unwrap();
    assert!(link_is_up(&mut rig));
    rig.platform.advance(6);
    assert!(!link_is_up(&mut rig));
    assert_eq!(driver.get(&mut rig, 0x60), CONFIG);
    // The driver has read the address: it cannot be another.
    let (mut other, _peer) = net();
    other.mac = Mac([2, 0, 0, 0, 0, 10]);
    let error = restored(other).err().unwrap().to_string();
    assert!(error.contains("network device"), "{error}");
}

/// What nothing takes must not make idle time pass at once.
#[test]
fn a_peer_is_not_waited_for_before_the_bus_lets_the_device_work() {
    /// Function 2 is behind the bridge and the entropy device.
    const COMMAND: u64 = place_on(&map::VIRT, Device::PciConfig(0)).base + (2 << 15) + 4;
    const MASTER: u64 = 1 << 2;
    let (net, mut peer) = net();
    let mut rig = Rig::with(PlatformConfig {
        board: &map::VIRT,
        net: Some(net),
        ..PlatformConfig::default()
    });
    peer.send(b"a frame");
    assert_eq!(rig.platform.inputs().count(), 0);
    rig.write(COMMAND, 2, MASTER);
    assert_eq!(rig.platform.inputs().count(), 1);
}

#[test]
fn a_peer_that_is_not_heard_wakes_no_idle_machine() {
    let (mut rig, mut peer) = rig_with_net();
    let mut driver = Driver::new(&mut rig, 1, 2);
    peer.0.set_nonblocking(true).unwrap();
    // It fills what the device keeps, and the socket.
    let mut time = 0;
    let frame = [&1500u32.to_be_bytes()[..], &[9; 1500]].concat();
    let mut rest = &frame[..];
    for _ in 0..1000 {
        while let Ok(count) = peer.0.write(rest) {
            rest = match &rest[count..] {
                [] => &frame,
                rest => rest,
            };
        }
        time += 1;
        rig.platform.advance(time);
    }
    let pause = Duration::from_millis(500);
    let waited = |rig: &mut Rig| {
        let begun = Instant::now();
        rig.platform.wait_for_input(pause);
        begun.elapsed()
    };
    assert!(waited(&mut rig) >= pause);
    assert!(rig.platform.interactive());
    // Buffers make room: for what was read last too, which is up to 64 KiB.
    for _ in 0..50 {
        driver.queue(&mut rig, 0, &[], &[2000]);
    }
    assert!(waited(&mut rig) < pause);
}
