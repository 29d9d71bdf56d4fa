import CNetlinkShim
import Dataplane
import Foundation
import Glibc
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

@Suite struct CounterReaderTests {
    /// Every device's counters, by the reader that keeps its memory and by `ip`, under traffic that stops for the while.
    @Test func equalToIPAndToTheOtherReader() throws {
        let bed = try Bed()
        let vm = try bed.addNamespace("v")
        let vmName = String(vm.path.split(separator: "/").last ?? "")
        for number in 0..<40 {
            try bed.route.createVethPort(
                name: "sni0000\(16 + number)", gatewayMAC: DataplaneConfiguration.portMAC, peerName: "eth\(number)",
                peerNamespaceFD: vm.fd, peerMAC: MACAddress(0x064F_5200_0010 + UInt64(number)), mtu: 1450,
                alias: "vm=a/\(number)")
        }
        try Command.ipBatch(["addr add 10.9.0.2/24 dev eth0", "link set eth0 up"], namespace: vmName)
        try Command.ipBatch(["addr add 10.9.0.1/24 dev sni000016"], namespace: bed.overlayName)
        try Command.run(["ping", "-q", "-c", "50", "-i", "0.002", "-s", "1000", "10.9.0.1"], namespace: vmName)
        let reader = try CounterReader(in: bed.namespace.overlay)
        var agreed = false
        var moving: [String] = []
        // Neighbor discovery counts too, and a slow machine meets it again and again.
        for _ in 0..<200 where !agreed {
            let ours = try Self.links(reader)
            let theirs = try bed.decode(
                Command.run(["ip", "-n", bed.overlayName, "-s", "-j", "link"]), as: CountersTests.Row.self)
            let again = try Self.links(reader)
            guard ours == again else {
                moving = ours.values.filter { $0 != again[$0.index] }.map { row in
                    "\(row), then \(again[row.index].map { "\($0)" } ?? "gone")"
                }
                continue
            }
            agreed = true
            #expect(ours == Dictionary(uniqueKeysWithValues: try bed.route.counters().map { ($0.index, $0) }))
            #expect(Set(theirs.map(\.ifindex)) == Set(ours.keys) && ours.count > 40)
            for row in theirs {
                let mine = try #require(ours[row.ifindex])
                #expect(mine.receivedBytes == row.stats64.rx.bytes && mine.sentBytes == row.stats64.tx.bytes)
                #expect(mine.receivedPackets == row.stats64.rx.packets && mine.sentPackets == row.stats64.tx.packets)
            }
            #expect(ours.values.contains { $0.receivedBytes > 50_000 })
        }
        #expect(agreed, "still counting: \(moving)")
    }

    static func links(_ reader: CounterReader) throws -> [Int: LinkCounters] {
        var rows: [Int: LinkCounters] = [:]
        try reader.readLinks { rows[$0.index] = $0 }
        return rows
    }

    @Test func tunnelCountersEqualBridge() throws {
        let bed = try Bed()
        let index = try bed.makeDevice()
        for vni in [4096, 4112, 9000] {
            try Command.run(["bridge", "-n", bed.overlayName, "vni", "add", "vni", "\(vni)", "dev", "outrider"])
        }
        try Command.ipBatch(["link set lo up", "addr add 192.0.2.1/32 dev lo"], namespace: bed.hostName)
        // From loopback to the device's own socket: three packets for one VNI, one for another.
        for vni in [4096, 4096, 9000, 4096] { try Self.send(vni: UInt32(vni), from: bed.host) }
        let reader = try CounterReader(in: bed.namespace.overlay)
        var rows: [UInt32: VNICounters] = [:]
        try reader.readTunnels(index: index) { rows[$0.vni.rawValue] = $0 }
        #expect(rows.keys.sorted() == [4096, 4112, 9000])
        #expect(rows[4096]?.receivedPackets == 3 && rows[9000]?.receivedPackets == 1)
        #expect(rows[4112]?.receivedPackets == 0)
        struct Device: Decodable {
            struct Entry: Decodable {
                struct Stats: Decodable { var rx_bytes, rx_pkts, rx_drops, rx_errors: UInt64 }
                var vni: UInt32
                var stats: Stats
            }
            var vnis: [Entry]
        }
        let text = try Command.run(["bridge", "-n", bed.overlayName, "-s", "-j", "vni", "show"])
        let theirs = try #require(try bed.decode(text, as: Device.self).first)
        #expect(theirs.vnis.count == 3)
        for entry in theirs.vnis {
            let mine = try #require(rows[entry.vni])
            #expect(mine.receivedBytes == entry.stats.rx_bytes && mine.receivedPackets == entry.stats.rx_pkts)
            #expect(mine.receiveDrops == entry.stats.rx_drops && mine.receiveErrors == entry.stats.rx_errors)
        }
    }

    /// A VXLAN packet (RFC 7348) to the device's address.
    static func send(vni: UInt32, from sockets: NamespaceSockets) throws {
        let fd = try sockets.open(domain: AF_INET, type: Int32(SOCK_DGRAM.rawValue), protocol: 0)
        defer { close(fd) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(4789).bigEndian
        address.sin_addr.s_addr = UInt32(0xC000_0201).bigEndian
        let frame = [UInt8](repeating: 0xFF, count: 12) + [0x88, 0xB5] + [UInt8](repeating: 0, count: 86)
        let payload = [0x08, 0, 0, 0] + withUnsafeBytes(of: (vni << 8).bigEndian) { unsafe Array($0) } + frame
        let sent = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe sendto(fd, payload, payload.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(sent == payload.count)
    }

    /// More rows than the memory holds, datagrams that are cut, dumps that are inconsistent: read again, never short.
    @Test func memoryGrowsToWhatIsThere() throws {
        let bed = try Bed()
        var commands: [String] = []
        for number in 0..<300 { commands.append("link add v\(number) type veth peer name w\(number)") }
        try Command.ipBatch(commands, namespace: bed.overlayName)
        let reader = try CounterReader(in: bed.namespace.overlay)
        #expect(try Self.links(reader).count == 601)
        #expect(try Self.links(reader).count == 601)
    }

    @Test func hostileBytesAreRefused() throws {
        var rows = [outrider_flow](repeating: outrider_flow(), count: 4)
        var links = [outrider_link_counters](repeating: outrider_link_counters(), count: 4)
        var vnis = [outrider_vni](repeating: outrider_vni(), count: 4)
        var generator = SystemRandomNumberGenerator()
        for round in 0..<20_000 {
            var bytes = (0..<Int.random(in: 0...160, using: &generator)).map { _ in UInt8.random(in: 0...255) }
            // Most would fail at the first length: give half of them headers that hold.
            if bytes.count >= 32, round % 2 == 0 {
                let type: UInt16 = [92, 120, 0x0A0C, 16][round / 2 % 4]
                let head =
                    Self.little(UInt32(bytes.count)) + Self.little(type) + [0, 0] + Self.little(UInt32(7)) + [
                        0, 0, 0, 0,
                    ]
                bytes.replaceSubrange(0..<16, with: head)
            }
            var dump = outrider_dump()
            dump.sequence = 7
            let results = unsafe [
                outrider_dump_stats(bytes, bytes.count, &links, 4, &dump),
                outrider_dump_vnis(bytes, bytes.count, &vnis, 4, &dump),
                outrider_dump_flows(bytes, bytes.count, &rows, 4, &dump),
            ]
            var stats = outrider_taskstats()
            _ = unsafe outrider_taskstats_parse(bytes, bytes.count, &stats)
            #expect(results.allSatisfy { $0 <= 1 } && dump.count <= 12)
            dump.count = 0
        }
    }

    static func little<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { unsafe Array($0) }
    }
}
