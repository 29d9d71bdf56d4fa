import Dataplane
import NetworkTypes

/// Ethernet frames as a guest would write them.
enum Frames {
    static let multicast6 = IPv6Address(high: 0xff02_0000_0000_0000, low: 1)

    private static func word(_ value: Int) -> [UInt8] {
        [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }

    static func checksum(_ bytes: [UInt8]) -> [UInt8] {
        var sum = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += Int(bytes[index]) << 8 + (index + 1 < bytes.count ? Int(bytes[index + 1]) : 0)
        }
        while sum > 0xFFFF { sum = sum & 0xFFFF + sum >> 16 }
        return word(~sum & 0xFFFF)
    }

    static func ethernet(from mac: MACAddress, type: Int, _ payload: [UInt8]) -> [UInt8] {
        DataplaneConfiguration.portMAC.bytes + mac.bytes + word(type) + payload
    }

    /// An IPv4 packet with a UDP datagram (RFC 791, RFC 768; no UDP checksum).
    static func udp4(_ source: IPv4Address, _ destination: IPv4Address, tag: UInt8 = 0) -> [UInt8] {
        let payload = [UInt8](repeating: tag, count: 8)
        var header: [UInt8] =
            [0x45, 0] + word(20 + 16) + [0, 1, 0, 0, 64, 17, 0, 0] + source.bytes + destination.bytes
        header.replaceSubrange(10..<12, with: checksum(header))
        return header + word(4000) + word(4001) + word(16) + [0, 0] + payload
    }

    /// An IPv6 packet with any transport payload (RFC 8200).
    static func ip6(
        _ source: IPv6Address, _ destination: IPv6Address, next: UInt8, hopLimit: UInt8 = 64, _ payload: [UInt8]
    ) -> [UInt8] {
        [0x60, 0, 0, 0] + word(payload.count) + [next, hopLimit] + source.bytes + destination.bytes + payload
    }

    static func udp6(_ source: IPv6Address, _ destination: IPv6Address, tag: UInt8 = 0) -> [UInt8] {
        let datagram = word(4000) + word(4001) + word(16) + [0, 0] + [UInt8](repeating: tag, count: 8)
        let sum = checksum(source.bytes + destination.bytes + [0, 0] + word(16) + [0, 0, 0, 17] + datagram)
        return ip6(source, destination, next: 17, Array(datagram[..<6]) + sum + Array(datagram[8...]))
    }

    /// An ICMPv6 packet (RFC 4443); `body` starts behind the checksum.
    static func icmp6(
        _ source: IPv6Address, _ destination: IPv6Address, type: UInt8, hopLimit: UInt8 = 255, body: [UInt8]
    ) -> [UInt8] {
        let message = [type, 0, 0, 0] + body
        let sum = checksum(source.bytes + destination.bytes + [0, 0] + word(message.count) + [0, 0, 0, 58] + message)
        return ip6(source, destination, next: 58, hopLimit: hopLimit, [type, 0] + sum + body)
    }

    /// A neighbor solicitation for the gateway with its source link-layer option (RFC 4861 section 4.3).
    static func solicitation(from source: IPv6Address, mac: MACAddress?, hopLimit: UInt8 = 255) -> [UInt8] {
        let solicitedNode = IPv6Address(high: 0xff02_0000_0000_0000, low: 0x1_ff00_0001)
        let option = mac.map { [1, 1] + $0.bytes } ?? []
        return icmp6(
            source, solicitedNode, type: 135, hopLimit: hopLimit,
            body: [0, 0, 0, 0] + DataplaneConfiguration.gateway6.bytes + option)
    }

    /// An ARP request for the gateway (RFC 826).
    static func arpRequest(from sender: IPv4Address, mac: MACAddress) -> [UInt8] {
        [0, 1, 8, 0, 6, 4, 0, 1] + mac.bytes + sender.bytes + [0, 0, 0, 0, 0, 0]
            + DataplaneConfiguration.gateway4.bytes
    }

    /// The UDP payload of a VXLAN packet (RFC 7348) for the device of `vtep`.
    static func vxlan(_ vni: UInt32, to vtep: IPAddress, type: Int, _ packet: [UInt8]) -> [UInt8] {
        [8, 0, 0, 0, UInt8(vni >> 16 & 0xFF), UInt8(vni >> 8 & 0xFF), UInt8(vni & 0xFF), 0]
            + vtep.tunnelMAC.bytes + [2, 0, 0, 0, 0, 9] + word(type) + packet
    }
}
