import Dataplane
import Foundation
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

@Suite struct FlowTests {
    /// An element as `nft -j` prints it.
    private struct Row: Decodable {
        struct Element: Decodable {
            struct Value: Decodable { var concat: [String] }
            struct Counter: Decodable { var packets, bytes: UInt64 }
            var val: Value
            var counter: Counter
        }
        var elem: Element
    }
    private struct Answer: Decodable {
        struct Entry: Decodable {
            struct Content: Decodable { var elem: [Row]? }
            var set: Content?
        }
        var nftables: [Entry]
    }

    private static func nft(_ overlay: String, _ set: String) throws -> [Row] {
        let text = try Command.run(
            ["nft", "-j", "list", "set", "inet", "outrider_flows", set], namespace: overlay)
        return try JSONDecoder().decode(Answer.self, from: Data(text.utf8)).nftables.compactMap(\.set?.elem)
            .flatMap { $0 }
    }

    private static func reader(_ host: OverlayHost, sizeMax: UInt32 = 65_535) throws -> FlowReader {
        let reader = try FlowReader(
            .flows(device: host.configuration.device, sizeMax: sizeMax), plan: host.configuration.plan,
            in: host.sockets)
        #expect(try reader.ensure())
        #expect(try !reader.ensure())
        return reader
    }

    @Test func pairsAreCountedAtTheSourceAndEqualNft() throws {
        let bed = try OverlayBed("fl")
        let readers = try bed.hosts.map { try Self.reader($0) }
        let (from, to) = (bed.reds[0], bed.reds[1])
        var bytes4: UInt64 = 0
        for tag in 0..<7 {
            let packet = Frames.udp4(from.address4, to.address4, tag: UInt8(tag))
            from.send(packet)
            #expect(to.receives(packet: packet))
            bytes4 += UInt64(packet.count)
        }
        var bytes6: UInt64 = 0
        for tag in 0..<3 {
            // Another address of the same /72: still the same pair.
            let source = IPv6Address(high: from.address6.high, low: from.address6.low + UInt64(tag))
            let packet = Frames.udp6(source, to.address6, tag: UInt8(tag))
            from.send(packet)
            #expect(to.receives(packet: packet))
            bytes6 += UInt64(packet.count)
        }
        // Of another application: dropped by the filter before it could be counted.
        try bed.hosts[0].expectDrop("pair") {
            from.send(Frames.udp4(from.address4, bed.blues[1].address4, tag: 1))
        }
        try readers[0].read()
        let (source, destination) = (from.port.sni, to.port.sni)
        #expect(
            Set(readers[0].flows) == [
                FlowCounters(
                    source: source, destination: destination, isIPv6: false, packets: 7, bytes: bytes4),
                FlowCounters(source: source, destination: destination, isIPv6: true, packets: 3, bytes: bytes6),
            ])
        try readers[1].read()
        #expect(readers[1].flows.isEmpty)
        #expect(try readers.map { try $0.overflow() } == [0, 0])
        let theirs = try Self.nft(bed.hosts[0].overlay, "flows4")
        #expect(theirs.map(\.elem.val.concat) == [["\(from.address4)", "\(to.address4)"]])
        #expect(theirs.map(\.elem.counter.packets) == [7] && theirs.map(\.elem.counter.bytes) == [bytes4])
        #expect(try Self.nft(bed.hosts[0].overlay, "flows6").map(\.elem.counter.bytes) == [bytes6])
        // The filter's own tables take no notice, and it none of them.
        #expect(try bed.hosts[0].tables.foreignTables() == [])
        #expect(try bed.hosts[0].tables.ensureStructure { [] } == [])
        try readers[0].remove()
        #expect(try readers[0].ensure())
    }

    @Test func aFullSetDropsNothingAndIsCounted() throws {
        let bed = try OverlayBed("fo")
        let reader = try Self.reader(bed.hosts[0], sizeMax: 1)
        for (index, pair) in [(bed.reds[0], bed.reds[1]), (bed.blues[0], bed.blues[1])].enumerated() {
            for tag in 0..<4 {
                let packet = Frames.udp4(pair.0.address4, pair.1.address4, tag: UInt8(tag + 10 * index))
                pair.0.send(packet)
                #expect(pair.1.receives(packet: packet))
            }
        }
        try reader.read()
        #expect(reader.flows.map(\.packets) == [4])
        #expect(try reader.overflow() == 4)
    }

    @Test func aTableThatSomebodyChangedIsMadeAnew() throws {
        let bed = try OverlayBed("fr")
        let reader = try Self.reader(bed.hosts[0])
        try Command.run(["nft", "flush chain inet outrider_flows forward"], namespace: bed.hosts[0].overlay)
        #expect(try reader.ensure())
        let packet = Frames.udp4(bed.reds[0].address4, bed.reds[1].address4, tag: 5)
        bed.reds[0].send(packet)
        #expect(bed.reds[1].receives(packet: packet))
        try reader.read()
        #expect(reader.flows.map(\.packets) == [1])
    }
}
