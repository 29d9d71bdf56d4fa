import Dataplane
import NamespaceKit
import NetworkTypes
import Testing

@testable import Netlink

/// What a guest may do on its link: find the gateway, and nothing that leaves a trace.
@Suite(.serialized) struct DiscoveryTests {
    @Test func addressResolutionOnlyForTheOwnAddress() throws {
        let bed = try OverlayBed("r")
        let host = bed.hosts[0]
        let red = bed.reds[0]
        red.sendARP(from: red.address4)
        let gateway = DataplaneConfiguration.gateway4.bytes
        #expect(
            red.receives { frame in
                // A reply (operation 2) from the gateway with the MAC address that every port has.
                frame.count >= 42 && frame[12..<14] == [0x08, 0x06] && frame[21] == 2
                    && Array(frame[22..<28]) == DataplaneConfiguration.portMAC.bytes && Array(frame[28..<32]) == gateway
            })
        for forged in [
            bed.blues[0].address4, IPv4Address(red.address4.rawValue + 9), IPv4Address(0), IPv4Address(0xC000_0201),
        ] {
            try host.expectDrop("arp") { red.sendARP(from: forged) }
        }
        #expect(try host.learnedNeighbors(red.port.name) == [])
    }

    @Test func neighborSolicitationOnlyFromTheOwnAddresses() throws {
        let bed = try OverlayBed("n")
        let host = bed.hosts[0]
        let red = bed.reds[0]
        for source in [red.address6, red.linkLocal] {
            red.send(Frames.solicitation(from: source, mac: red.port.mac))
            #expect(red.receives { Self.isAdvertisement($0) }, "no answer to \(source)")
        }
        // Duplicate address detection reaches the gateway, which defends its address, and creates no entry.
        red.send(Frames.solicitation(from: IPv6Address(high: 0, low: 0), mac: nil))
        #expect(red.receives { Self.isAdvertisement($0) })
        let forgedLinkLocal = IPv6Address.linkLocal(0xBAD)
        let forgedInOwnNetwork = IPv6Address(high: red.address6.high, low: red.address6.low | 0xBAD00)
        for forged in [forgedLinkLocal, forgedInOwnNetwork, bed.blues[0].address6, bed.blues[0].linkLocal] {
            try host.expectDrop("nd") { red.send(Frames.solicitation(from: forged, mac: red.port.mac)) }
        }
        try host.expectDrop("nd") {
            red.send(Frames.solicitation(from: red.address6, mac: red.port.mac, hopLimit: 254))
        }
        for type: UInt8 in [133, 134, 136, 137] {
            try host.expectDrop("nd") {
                red.send(
                    Frames.icmp6(red.address6, Frames.multicast6, type: type, body: [UInt8](repeating: 0, count: 36)))
            }
        }
        #expect(try host.learnedNeighbors(red.port.name) == [])
    }

    private static func isAdvertisement(_ frame: [UInt8]) -> Bool {
        frame.count >= 78 && frame[12..<14] == [0x86, 0xDD] && frame[20] == 58 && frame[54] == 136
            && Array(frame[62..<78]) == DataplaneConfiguration.gateway6.bytes
    }

    @Test func nothingElseReachesTheHost() throws {
        let bed = try OverlayBed("h")
        let host = bed.hosts[0]
        let red = bed.reds[0]
        try host.expectDrop("input") { red.send(Frames.udp4(red.address4, DataplaneConfiguration.gateway4)) }
        try host.expectDrop("input") { red.send(Frames.udp6(red.address6, DataplaneConfiguration.gateway6)) }
        try host.expectDrop("input") {
            let echo = Frames.icmp6(
                red.address6, DataplaneConfiguration.gateway6, type: 128, hopLimit: 64, body: [0, 1, 0, 1])
            red.send(echo)
        }
    }
}
