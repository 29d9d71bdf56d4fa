import Glibc
import NamespaceKit
import NetworkTypes
import Synchronization
import Testing

@testable import Netlink

@Suite struct FrameBellTests {
    /// A port, and the name of the namespace with its other end, `eth0`, which no kernel speaks through.
    private func makePort(_ bed: Bed) throws -> (index: Int, guest: String) {
        let guest = try bed.addNamespace("g")
        let name = try #require(guest.path.split(separator: "/").last.map(String.init))
        try NetworkNamespace.setSysctls([("net/ipv6/conf/default/disable_ipv6", "1")], in: name)
        let index = try bed.route.createVethPort(
            name: "sni001000", gatewayMAC: MACAddress(0x02_0000_0000_01), peerName: "eth0",
            peerNamespaceFD: guest.fd, peerMAC: MACAddress(0x02_0000_0000_02), mtu: 1500, alias: "", raisesPeer: false)
        try Command.run(["ip", "-n", name, "link", "set", "eth0", "up"])
        return (index, name)
    }

    private func announce(_ guest: String, times: Int = 1) throws {
        let frame = Packets.reverseARP(of: MACAddress(0x02_0000_0000_02))
        let socket = try NamespaceSocket(.frame, .ipv4, in: guest)
        for _ in 0..<times { try socket.send(frame: frame, through: "eth0") }
    }

    @Test func itRingsOnceAndAtNothingThatThePortSends() async throws {
        let bed = try Bed()
        let (index, guest) = try makePort(bed)
        let (rings, hand) = AsyncStream.makeStream(of: Int.self)
        let count = Atomic<Int>(0)
        let bell = try FrameBell(index: index, in: bed.namespace.overlay) {
            hand.yield(count.add(1, ordering: .relaxed).newValue)
        }
        // From our end, and a device that goes down and up, which wakes the bell as well.
        try NamespaceSocket(.frame, .ipv4, in: bed.overlayName).send(
            frame: Packets.reverseARP(of: MACAddress(0x02_0000_0000_01)), through: "sni001000")
        try Command.ipBatch(["link set sni001000 down", "link set sni001000 up"], namespace: bed.overlayName)
        usleep(50_000)
        #expect(count.load(ordering: .relaxed) == 0)
        try announce(guest, times: 1_000)
        for await ring in rings {
            #expect(ring == 1)
            break
        }
        usleep(50_000)
        #expect(count.load(ordering: .relaxed) == 1)
        withExtendedLifetime(bell) {}
    }

    /// What came before it was hung up is in the device's counters, RARP among it, though no filter lets it in.
    @Test func whatCameBeforeIsCounted() throws {
        let bed = try Bed()
        let (index, guest) = try makePort(bed)
        #expect(try bed.route.counters(index: index)?.receivedPackets == 0)
        try announce(guest)
        let bell = try FrameBell(index: index, in: bed.namespace.overlay) {}
        #expect(try bed.route.counters(index: index)?.receivedPackets == 1)
        withExtendedLifetime(bell) {}
    }

    @Test func aDeviceThatIsNotThereIsNamed() throws {
        let bed = try Bed()
        #expect {
            _ = try FrameBell(index: 4_000, in: bed.namespace.overlay) {}
        } throws: { error in
            (error as? NetlinkError)?.isNotFound == true && "\(error)".contains("device 4000")
        }
    }
}
