public import NetworkTypes

/// Hand-made packets: what a hostile guest would write.
public enum Packets {
    /// RFC 1071 checksum over 16-bit words, odd length padded with zero.
    public static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        var index = 0
        while index < bytes.count {
            let low = index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0
            sum += UInt32(bytes[index]) << 8 | low
            index += 2
        }
        while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
        return ~UInt16(truncatingIfNeeded: sum)
    }

    private static func word(_ value: Int) -> [UInt8] {
        [UInt8(truncatingIfNeeded: value >> 8), UInt8(truncatingIfNeeded: value)]
    }

    /// ICMP (RFC 792) or ICMPv6 (RFC 4443) echo request. The kernel fills in the ICMPv6 checksum on a raw socket.
    public static func echoRequest(_ family: SocketFamily, identifier: UInt16, sequence: UInt16) -> [UInt8] {
        let type: UInt8 = family == .ipv4 ? 8 : 128
        var packet = [type, 0, 0, 0] + word(Int(identifier)) + word(Int(sequence))
        packet += (0..<48).map { UInt8($0) }
        if family == .ipv4 {
            packet.replaceSubrange(2..<4, with: word(Int(checksum(packet))))
        }
        return packet
    }

    /// Identifier and sequence when `data`, as a raw socket delivers it, is an echo reply.
    static func echoReply(_ family: SocketFamily, _ data: [UInt8]) -> (identifier: UInt16, sequence: UInt16)? {
        // An IPv4 raw socket delivers the IP header too, an IPv6 one does not.
        let offset = family == .ipv4 ? (Int(data.first ?? 0) & 0xF) * 4 : 0
        guard data.count >= offset + 8, data[offset] == (family == .ipv4 ? 0 : 129) else { return nil }
        let identifier = UInt16(data[offset + 4]) << 8 | UInt16(data[offset + 5])
        return (identifier, UInt16(data[offset + 6]) << 8 | UInt16(data[offset + 7]))
    }

    /// An IP packet with a UDP datagram inside, its source address whatever the caller says.
    public static func udp(
        from source: PeerAddress, to destination: PeerAddress, port: UInt16, payload: [UInt8]
    ) -> [UInt8] {
        let length = 8 + payload.count
        var datagram = word(40_000) + word(Int(port)) + word(length) + [0, 0] + payload
        // UDP over IPv6 must carry a checksum (RFC 8200 section 8.1); over IPv4 it is computed as well.
        var pseudo = source.bytes + destination.bytes
        pseudo += source.family == .ipv4 ? [0, 17] + word(length) : [0, 0] + word(length) + [0, 0, 0, 17]
        let sum = checksum(pseudo + datagram)
        datagram.replaceSubrange(6..<8, with: word(sum == 0 ? 0xFFFF : Int(sum)))
        switch source {
        case .v4:
            var header: [UInt8] = [0x45, 0] + word(20 + length) + [0, 1, 0, 0, 64, 17, 0, 0]
            header += source.bytes + destination.bytes
            header.replaceSubrange(10..<12, with: word(Int(checksum(header))))
            return header + datagram
        case .v6:
            return [0x60, 0, 0, 0] + word(length) + [17, 64] + source.bytes + destination.bytes + datagram
        }
    }

    /// An Ethernet frame.
    public static func frame(to destination: MACAddress, from source: MACAddress, type: UInt16, _ payload: [UInt8])
        -> [UInt8]
    {
        destination.bytes + source.bytes + word(Int(type)) + payload
    }

    /// An IPv4 packet of any transport with options, a multiple of four bytes (RFC 791).
    public static func ipv4(
        from source: IPv4Address, to destination: IPv4Address, transport: UInt8, options: [UInt8] = [],
        _ payload: [UInt8]
    ) -> [UInt8] {
        let words = 5 + options.count / 4
        var header: [UInt8] = [0x40 | UInt8(words), 0] + word(4 * words + payload.count)
        header += [0, 1, 0, 0, 64, transport, 0, 0] + source.bytes + destination.bytes + options
        header.replaceSubrange(10..<12, with: word(Int(checksum(header))))
        return header + payload
    }

    /// An ICMPv6 message as neighbour and router discovery send it, with the hop limit that proves that no router has passed
    /// it on (RFC 4861).
    public static func icmpv6(
        from source: IPv6Address, to destination: IPv6Address, type: UInt8, body: [UInt8], hopLimit: UInt8 = 255
    ) -> [UInt8] {
        var message = [type, 0, 0, 0] + body
        let sum = checksum(source.bytes + destination.bytes + [0, 0] + word(message.count) + [0, 0, 0, 58] + message)
        message.replaceSubrange(2..<4, with: word(Int(sum)))
        return [0x60, 0, 0, 0] + word(message.count) + [58, hopLimit] + source.bytes + destination.bytes + message
    }

    /// An ARP request (RFC 826) of somebody who says to be `sender`.
    public static func arpRequest(from sender: IPv4Address, mac: MACAddress, for target: IPv4Address) -> [UInt8] {
        [0, 1, 8, 0, 6, 4, 0, 1] + mac.bytes + sender.bytes + [0, 0, 0, 0, 0, 0] + target.bytes
    }

    /// The UDP payload of a VXLAN packet (RFC 7348): header with the VNI, an Ethernet frame, and `packet` inside.
    public static func vxlan(vni: UInt32, destination: MACAddress, packet: [UInt8]) -> [UInt8] {
        let header: [UInt8] = [8, 0, 0, 0] + word(Int(vni >> 8)) + [UInt8(truncatingIfNeeded: vni), 0]
        let type: [UInt8] = packet.first.map { $0 >> 4 } == 6 ? [0x86, 0xDD] : [8, 0]
        return header + destination.bytes + [2, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE] + type + packet
    }

    /// Request reverse of RFC 903, for itself, broadcast and padded to Ethernet's minimum: how QEMU announces a VM after its
    /// migration (net/announce.c).
    public static func reverseARP(of mac: MACAddress) -> [UInt8] {
        let broadcast = [UInt8](repeating: 0xFF, count: 6)
        let request: [UInt8] = [0, 1, 8, 0, 6, 4, 0, 3] + mac.bytes + [0, 0, 0, 0] + mac.bytes + [0, 0, 0, 0]
        let frame: [UInt8] = broadcast + mac.bytes + [0x80, 0x35] + request
        return frame + [UInt8](repeating: 0, count: 60 - frame.count)
    }
}
