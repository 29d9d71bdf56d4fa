import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// Tables, sets, chains and rules: made once, kept, and restored when somebody touches them.
@Suite(.serialized) struct StructureTests {
    private func nft(_ bed: OverlayBed, _ arguments: String) throws -> String {
        try Command.run(
            ["ip", "netns", "exec", bed.hosts[0].overlay, "nft"] + arguments.split(separator: " ").map(String.init))
    }

    @Test func aSecondRunWritesNothing() throws {
        let bed = try OverlayBed("w")
        let tables = bed.hosts[0].tables
        let writes = tables.writes
        for _ in 0..<3 {
            #expect(try tables.ensureStructure { [] } == [])
            _ = try tables.dropCounters()
        }
        #expect(tables.writes == writes)
        // Another process of the agent finds the same.
        let other = try NFTables(.overlay(device: "outrider"), in: bed.hosts[0].sockets)
        #expect(try other.ensureStructure { [] } == [] && other.writes == 0)
    }

    /// What a person with `nft` can do to us is undone, and the elements are back with the table.
    @Test(arguments: [
        ("flush chain inet outrider pairs", "inet outrider"), ("delete table arp outrider", "arp outrider"),
        ("add rule inet outrider input accept", "inet outrider"),
        ("chain inet outrider pairs { policy accept ; }", "inet outrider"),
        ("add chain inet outrider extra", "inet outrider"), ("delete table netdev outrider", "netdev outrider"),
        ("flush ruleset", "inet outrider,arp outrider,netdev outrider"),
    ])
    func tamperingIsUndone(command: String, replaced: String) throws {
        let bed = try OverlayBed("u")
        let host = bed.hosts[0]
        let before = try FilterSet.allCases.filter { !$0.isUnderlay }.map { Set(try host.tables.dump($0)) }
        #expect(before.allSatisfy { !$0.isEmpty })
        _ = try nft(bed, command)
        let elements = host.state.tracker.desiredElements
        #expect(try host.tables.ensureStructure { elements } == replaced.split(separator: ",").map(String.init))
        let after = try FilterSet.allCases.filter { !$0.isUnderlay }.map { Set(try host.tables.dump($0)) }
        #expect(after == before)
        #expect(try host.tables.ensureStructure { elements } == [])
        let packet = Frames.udp4(bed.reds[0].address4, bed.reds[1].address4, tag: 9)
        bed.reds[0].send(packet)
        #expect(bed.reds[1].receives(packet: packet))
        try host.expectDrop("pair") { bed.reds[0].send(Frames.udp4(bed.reds[0].address4, bed.blues[0].address4)) }
    }

    /// An agent that has just started does not know yet what is wanted; VMs run on what is there.
    @Test func aReplacedTableKeepsWhatItHeldWhenAsked() throws {
        let bed = try OverlayBed("k")
        let host = bed.hosts[0]
        let before = try FilterSet.allCases.filter { !$0.isUnderlay }.map { Set(try host.tables.dump($0)) }
        _ = try nft(bed, "add rule inet outrider input accept")
        _ = try nft(bed, "add rule arp outrider input accept")
        #expect(try host.tables.structureGaps().count == 2)
        #expect(try host.tables.ensureStructure(keepsPresent: true) { [] } == ["inet outrider", "arp outrider"])
        #expect(try FilterSet.allCases.filter { !$0.isUnderlay }.map { Set(try host.tables.dump($0)) } == before)
        #expect(try host.tables.structureGaps() == [])
    }

    @Test func aLostIngressChainIsRebuiltWithoutTouchingTheSets() throws {
        let bed = try OverlayBed("l")
        let host = bed.hosts[0]
        let bound = Set(try host.tables.dump(.ingress6))
        _ = try nft(bed, "delete chain netdev outrider ingress")
        #expect(try host.tables.ensureStructure { [] } == [])
        #expect(Set(try host.tables.dump(.ingress6)) == bound)
        let packet = Frames.udp6(bed.reds[1].address6, bed.reds[0].address6, tag: 9)
        bed.reds[1].send(packet)
        #expect(bed.reds[0].receives(packet: packet))
        try host.expectDrop("ingress") {
            try bed.inject(vni: OverlayBed.redBlocks[0], type: 0x0806, [0], from: 1)
        }
    }

    @Test func foreignTablesAreReportedAndLeft() throws {
        let bed = try OverlayBed("f")
        let tables = bed.hosts[0].tables
        #expect(try tables.foreignTables() == [])
        _ = try nft(bed, "add table ip stranger")
        #expect(try tables.foreignTables() == ["ip stranger"])
        try tables.removeStructure()
        #expect(try nft(bed, "list tables") == "table ip stranger\n")
        #expect(try tables.dump(.pair4) == [])
    }

    /// The host's own namespace: our UDP port answers known endpoints only.
    @Test func theUnderlayAdmitsKnownEndpoints() throws {
        let bed = try OverlayBed("x")
        let host = bed.hosts[1]
        let known = bed.hosts[0].vtep
        #expect(try host.underlay.dump(.vtep) == [.vtep(known)])
        let packet = Frames.udp4(bed.reds[0].address4, bed.reds[1].address4, tag: 1)
        try bed.inject(vni: OverlayBed.redBlocks[1], type: 0x0800, packet)
        #expect(bed.reds[1].receives(packet: packet))
        #expect(try host.underlay.dropCounters()["underlay"]?.packets == 0)
        _ = try host.underlay.apply([.delete(.element(.vtep(known)))])
        try bed.inject(vni: OverlayBed.redBlocks[1], type: 0x0800, packet)
        #expect(!bed.reds[1].receives(packet: packet, within: 300))
        #expect(try host.underlay.dropCounters()["underlay"]?.packets == 1)
        // Other traffic of the host is none of our business.
        try Command.run(["ip", "netns", "exec", bed.hosts[0].name, "ping", "-n", "-c1", "-W2", "\(host.vtep)"])
        let writes = host.underlay.writes
        #expect(try host.underlay.ensureStructure { [] } == [] && host.underlay.writes == writes)
        #expect(try host.underlay.foreignTables() == [])
    }
}
