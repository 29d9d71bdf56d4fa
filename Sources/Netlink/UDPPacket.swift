import NetworkTypes

/// UDP over IPv6 as whole packets (RFC 768, RFC 8200).
enum UDPPacket {
    /// Of what leaves for the link's other end and nobody behind it.
    private static let hopLimit: UInt8 = 255
    private static let serverPort: UInt16 = 547

    /// What a server says, from its port; nil over IPv4.
    static func bytes(of datagram: GuestDatagram) -> [UInt8]? {
        guard case (.v6(let source), .v6(let destination)) = (datagram.local, datagram.peer) else { return nil }
        let length = word(UInt16(clamping: 8 + datagram.bytes.count))
        let addresses = source.bytes + destination.bytes
        let ports = word(serverPort) + word(datagram.peerPort)
        let sum = checksum(addresses + [0, 0] + length + [0, 0, 0, 17] + ports + length + [0, 0] + datagram.bytes)
        let header: [UInt8] = [0x60, 0, 0, 0] + length + [17, hopLimit] + addresses
        // A sum of 0 would say that there is none.
        return header + ports + length + word(sum == 0 ? .max : sum) + datagram.bytes
    }

    private static func word(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xFF)] }

    /// RFC 1071: of words of 16 bits, an odd byte at the end padded with zero.
    private static func checksum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
        }
        while sum >> 16 != 0 { sum = sum & 0xFFFF + sum >> 16 }
        return ~UInt16(truncatingIfNeeded: sum)
    }
}
