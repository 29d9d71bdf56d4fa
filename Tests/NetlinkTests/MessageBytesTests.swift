import CNetlinkShim
import Dataplane
import Glibc
import NetworkTypes
import Testing

@testable import Netlink

/// The bytes of each message, attribute by attribute, little-endian host (linux/rtnetlink.h, nexthop.h, if_link.h).
@Suite struct MessageBytesTests {
    private func hex(_ message: RouteMessage) -> [String] {
        stride(from: 0, to: message.bytes.count, by: 4).map { start in
            message.bytes[start..<min(start + 4, message.bytes.count)].map {
                ($0 < 16 ? "0" : "") + String($0, radix: 16)
            }.joined()
        }
    }

    @Test func vni() throws {
        let message = try RouteMessage.vni(SessionNetworkID(unchecked: 0x1100), index: 5, add: true)
        #expect(
            hex(message) == [
                "24000000", "78000104", "00000000", "00000000",  // 36 bytes, RTM_NEWTUNNEL, REQUEST|CREATE
                "07000000", "05000000",  // AF_BRIDGE, ifindex
                "0c000180", "08000100", "00110000",  // ENTRY { START }
            ])
    }

    @Test func nexthop() throws {
        let nexthop = Nexthop(
            id: 0x4400_1010, vni: SessionNetworkID(unchecked: 0x1010), source: Bed.vtep,
            vtep: .v4(IPv4Address(0xC000_0202)),
            gateway: .linkLocal(0xC000_0202), device: "outrider")
        #expect(
            try hex(.nexthop(nexthop, index: 5)) == [
                "64000000", "68000105", "00000000", "00000000",  // RTM_NEWNEXTHOP, REQUEST|CREATE|REPLACE
                "0a005300", "00000000",  // AF_INET6, protocol 83
                "08000100", "10100044", "08000500", "05000000",  // NHA_ID, NHA_OIF
                "14000600", "fe800000", "00000000", "00000000", "c0000202",  // NHA_GATEWAY
                "06000700", "02000000",  // NHA_ENCAP_TYPE LWTUNNEL_ENCAP_IP
                "20000880", "0c000100", "00000000", "00001010",  // ENCAP { ID, DST, SRC }
                "08000200", "c0000202", "08000300", "c0000201",
            ])
    }

    @Test func nexthopOverIPv6HasAChecksum() throws {
        let network: UInt64 = 0x2001_0DB8 << 32
        let nexthop = Nexthop(
            id: 0x4400_1010, vni: SessionNetworkID(unchecked: 0x1010), source: .v6(IPv6Address(high: network, low: 1)),
            vtep: .v6(IPv6Address(high: network, low: 2)), gateway: .linkLocal(2), device: "outrider")
        #expect(
            try Array(hex(.nexthop(nexthop, index: 5)).dropFirst(15)) == [
                "06000700", "04000000",  // NHA_ENCAP_TYPE LWTUNNEL_ENCAP_IP6
                "40000880", "0c000100", "00000000", "00001010",  // ENCAP { ID, DST, SRC, FLAGS }
                "14000200", "20010db8", "00000000", "00000000", "00000002",
                "14000300", "20010db8", "00000000", "00000000", "00000001",
                "06000600", "00010000",  // TUNNEL_CSUM
            ])
    }

    @Test func routes() {
        let prefix = IPPrefix.v4(IPv4Address(0x0A00_1010), length: 28)
        #expect(
            hex(.route(prefix, metric: 0, .nexthop(0x4400_1010), index: nil)) == [
                "2c000000", "18000105", "00000000", "00000000",  // RTM_NEWROUTE, REQUEST|CREATE|REPLACE
                "021c0000", "fe530001", "00000000",  // AF_INET /28, main, 83, universe, unicast
                "08000100", "0a001010", "08001e00", "10100044",  // RTA_DST, RTA_NH_ID
            ])
        #expect(
            hex(.deleteRoute(prefix, metric: 4000)) == [
                "2c000000", "19000100", "00000000", "00000000",
                "021c0000", "fe53ff00", "00000000",  // protocol compared, scope nowhere, any type
                "08000100", "0a001010", "08000600", "a00f0000",
            ])
    }

    @Test func neighborAndAddressFromLibnl() throws {
        let neighbor = try RouteMessage.neighbor(
            .v4(IPv4Address(0x0A00_1005)), index: 7, device: "sni001005", mac: MACAddress(0x064F_5200_1005))
        let words = hex(neighbor)
        #expect(Array(words[1...1]) == ["1c000105"])  // RTM_NEWNEIGH, REQUEST|CREATE|REPLACE
        #expect(Array(words[4...6]) == ["02000000", "07000000", "80000000"])  // AF_INET, ifindex, NUD_PERMANENT
        let address = hex(try RouteMessage.address(.v6(.linkLocal(1), length: 64), index: 7, add: true))
        #expect(Array(address[1...1]) == ["14000105"])
        #expect(Array(address[4...5]) == ["0a400200", "07000000"])  // AF_INET6 /64, IFA_F_NODAD
        #expect(Array(address.suffix(2)) == ["05000b00", "53000000"])  // IFA_PROTO 83
    }

    @Test func namesThatDoNotFitAreRefusedBeforeTheKernel() {
        let error = #expect(throws: NetlinkError.self) {
            try RouteMessage.veth(
                name: "sixteen-letters!", mac: MACAddress(2), peerName: "eth0", peerNamespaceFD: -1,
                peerMAC: MACAddress(2), mtu: 1450)
        }
        #expect(error?.code == EINVAL && error?.object == "sixteen-letters!")
    }

    @Test func smallBuffersAreRefused() {
        var buffer = [UInt8](repeating: 0, count: 100)
        let result = unsafe buffer.withUnsafeMutableBytes {
            unsafe outrider_nl_vni_change($0.baseAddress, $0.count, 1, 1, 1)
        }
        #expect(result == -ENOBUFS)
    }

    @Test func messagesCutShortAreNoMessages() {
        // Every prefix of a route message is refused or read without leaving it.
        let route = message(
            type: 24, flags: 0, sequence: 0, [2, 24, 0, 0, 254, 83, 0, 1, 0, 0, 0, 0, 8, 0, 1, 0, 10, 0, 0, 0])
        for length in 0...route.count {
            var raw = outrider_route()
            let part = Array(route.prefix(length))
            let result = unsafe part.withUnsafeBytes { unsafe outrider_nl_route_parse($0.baseAddress, $0.count, &raw) }
            #expect((result == 0) == (length == route.count))
        }
    }
}
