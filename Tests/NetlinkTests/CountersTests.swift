import Dataplane
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

@Suite struct CountersTests {
    struct Row: Decodable {
        struct Stats: Decodable {
            struct Side: Decodable {
                var bytes: UInt64
                var packets: UInt64
                var errors: UInt64
                var dropped: UInt64
            }
            var rx: Side
            var tx: Side
        }
        var ifindex: Int
        var stats64: Stats
    }

    @Test func equalToTheByteAfterDrivenTraffic() throws {
        let bed = try Bed()
        let vm = try bed.addNamespace("v")
        let index = try bed.route.createVethPort(
            name: "sni000010", gatewayMAC: DataplaneConfiguration.portMAC, peerName: "eth0", peerNamespaceFD: vm.fd,
            peerMAC: MACAddress(0x064F_5200_0010), mtu: 1450, alias: "vm=a/0")
        let vmRoute = try RouteSocket(in: NamespaceSockets(namespace: vm))
        let eth0 = try #require(try vmRoute.link(named: "eth0"))
        try vmRoute.changeLink(index: eth0.index, named: "eth0", LinkChange(isUp: true))
        // A tap whose writer is the test: its figures are known without asking anybody.
        let tap = try bed.namespace.overlay.openTap(name: "sni000011", persistent: false)
        defer { close(tap) }
        let tapLink = try #require(try bed.route.link(named: "sni000011"))
        try bed.route.changeLink(index: tapLink.index, named: "sni000011", LinkChange(isUp: true))
        let frame =
            MACAddress(0xFFFF_FFFF_FFFF).bytes + MACAddress(0x064F_5200_0011).bytes + [0x88, 0xB5]
            + [UInt8](repeating: 0, count: 300)
        for _ in 0..<100 { #expect(unsafe write(tap, frame, frame.count) == frame.count) }
        let driven = try #require(try bed.route.counters(index: tapLink.index))
        #expect(driven.receivedPackets == 100)
        #expect(driven.receivedBytes == UInt64(100 * frame.count))
        try Command.run(["ip", "-n", bed.overlayName, "addr", "add", "10.9.0.1/24", "dev", "sni000010"])
        let vmName = String(vm.path.split(separator: "/").last ?? "")
        try Command.run(["ip", "-n", vmName, "addr", "add", "10.9.0.2/24", "dev", "eth0"])
        try Command.run(["ping", "-q", "-c", "50", "-i", "0.002", "-s", "1000", "10.9.0.1"], namespace: vmName)
        // Nothing else may move the figures while two programs read them: repeat until both readings agree in time.
        var agreed = false
        for _ in 0..<20 where !agreed {
            let ours = Dictionary(uniqueKeysWithValues: try bed.route.counters().map { ($0.index, $0) })
            let theirs = try bed.decode(
                Command.run(["ip", "-n", bed.overlayName, "-s", "-j", "link"]), as: Row.self)
            let again = Dictionary(uniqueKeysWithValues: try bed.route.counters().map { ($0.index, $0) })
            guard ours == again else { continue }
            agreed = true
            #expect(Set(theirs.map(\.ifindex)) == Set(ours.keys))
            for row in theirs {
                let mine = try #require(ours[row.ifindex])
                #expect(mine.receivedBytes == row.stats64.rx.bytes && mine.sentBytes == row.stats64.tx.bytes)
                #expect(mine.receivedPackets == row.stats64.rx.packets && mine.sentPackets == row.stats64.tx.packets)
                #expect(mine.receiveDrops == row.stats64.rx.dropped && mine.sendDrops == row.stats64.tx.dropped)
                #expect(mine.receiveErrors == row.stats64.rx.errors && mine.sendErrors == row.stats64.tx.errors)
            }
            #expect((ours[index]?.receivedBytes ?? 0) > 50_000)
        }
        #expect(agreed)
        #expect(try bed.route.counters(index: 9999) == nil)
    }
}
