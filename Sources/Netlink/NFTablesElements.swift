import Dataplane
import NetworkTypes

/// Where a set lives.
struct NFTPlace: Hashable, Sendable {
    var family: NFTFamily
    var table: String
    var set: String

    init(_ set: FilterSet) {
        self.set = set.rawValue
        table = NFTStructure.tableName
        switch set {
        case .arpSender: family = .arp
        case .ingress4, .ingress6: family = .netdev
        case .pair4, .pair6, .source4, .source6, .solicitor6: family = .inet
        case .vtep, .vtep6, .tunnelID:
            family = .inet
            table = NFTStructure.underlayTableName
        }
    }
}

/// One element as the kernel keeps it.
struct NFTElementBytes: Hashable, Sendable {
    var place: NFTPlace
    /// Fields one after the other, network order, names of 16 bytes.
    var key: [UInt8]
    /// Inclusive end of an interval; empty for an exact key.
    var end: [UInt8] = []

    init(_ element: FilterElement) {
        place = NFTPlace(element.set)
        switch element {
        case .pair4(let source, let destination):
            key = source.lowerBound.bytes + destination.lowerBound.bytes
            end = source.upperBound.bytes + destination.upperBound.bytes
        case .pair6(let source, let destination):
            key = source.lowerBound.bytes + destination.lowerBound.bytes
            end = source.upperBound.bytes + destination.upperBound.bytes
        case .source4(let device, let address), .arpSender(let device, let address):
            key = NFTStructure.name(device) + address.bytes
        case .source6(let device, let address), .solicitor6(let device, let address):
            key = NFTStructure.name(device) + address.bytes
        case .ingress4(let vni, let address): key = Self.mark(vni) + address.bytes
        case .ingress6(let vni, let address): key = Self.mark(vni) + address.bytes
        case .vtep(let address): key = address.bytes
        case .tunnelID(let vni): key = IPv4Address(vni.rawValue << 8).bytes
        case .unknown(_, let key, let end):
            self.key = key
            self.end = end
        }
    }

    private static func mark(_ vni: SessionNetworkID) -> [UInt8] { IPv4Address(vni.rawValue).bytes }
}

extension FilterElement {
    /// The meaning of bytes read from a set; ``FilterElement/unknown(_:key:end:)`` for what we never write.
    init(set: FilterSet, key: [UInt8], end: [UInt8]) {
        let known: FilterElement? =
            switch set {
            case .pair4: Self.pair4(key, end)
            case .pair6: Self.pair6(key, end)
            case .source4:
                Self.named(key, end, 4).flatMap { name, rest in
                    IPv4Address(bytes: rest).map { .source4(device: name, $0) }
                }
            case .arpSender:
                Self.named(key, end, 4).flatMap { name, rest in
                    IPv4Address(bytes: rest).map { .arpSender(device: name, $0) }
                }
            case .source6:
                Self.named(key, end, 16).flatMap { name, rest in
                    IPv6Address(bytes: rest).map { .source6(device: name, $0) }
                }
            case .solicitor6:
                Self.named(key, end, 16).flatMap { name, rest in
                    IPv6Address(bytes: rest).map { .solicitor6(device: name, $0) }
                }
            case .ingress4:
                Self.marked(key, end).flatMap { vni, rest in
                    IPv4Address(bytes: rest).map { .ingress4(vni: vni, $0) }
                }
            case .ingress6:
                Self.marked(key, end).flatMap { vni, rest in
                    IPv6Address(bytes: rest).map { .ingress6(vni: vni, $0) }
                }
            case .vtep: end.isEmpty ? IPv4Address(bytes: key).map { .vtep(.v4($0)) } : nil
            case .vtep6: end.isEmpty ? IPv6Address(bytes: key).map { .vtep(.v6($0)) } : nil
            case .tunnelID: Self.tunnelID(key, end)
            }
        self = known ?? .unknown(set, key: key, end: end)
    }

    private static func pair4(_ key: [UInt8], _ end: [UInt8]) -> FilterElement? {
        guard key.count == 8, end.count == 8, let s0 = IPv4Address(bytes: Array(key[..<4])),
            let d0 = IPv4Address(bytes: Array(key[4...])), let s1 = IPv4Address(bytes: Array(end[..<4])),
            let d1 = IPv4Address(bytes: Array(end[4...])), s0 <= s1, d0 <= d1
        else { return nil }
        return .pair4(s0...s1, d0...d1)
    }

    private static func pair6(_ key: [UInt8], _ end: [UInt8]) -> FilterElement? {
        guard key.count == 32, end.count == 32, let s0 = IPv6Address(bytes: Array(key[..<16])),
            let d0 = IPv6Address(bytes: Array(key[16...])), let s1 = IPv6Address(bytes: Array(end[..<16])),
            let d1 = IPv6Address(bytes: Array(end[16...])), s0 <= s1, d0 <= d1
        else { return nil }
        return .pair6(s0...s1, d0...d1)
    }

    private static func named(_ key: [UInt8], _ end: [UInt8], _ rest: Int) -> (String, [UInt8])? {
        guard end.isEmpty, key.count == 16 + rest else { return nil }
        let text = key[..<16].prefix { $0 != 0 }
        // A name with bytes behind its end, or that is no text, would not come back as the same key.
        guard let name = String(validating: text, as: UTF8.self), NFTStructure.name(name) == Array(key[..<16]) else {
            return nil
        }
        return (name, Array(key[16...]))
    }

    private static func tunnelID(_ key: [UInt8], _ end: [UInt8]) -> FilterElement? {
        guard end.isEmpty, let number = IPv4Address(bytes: key)?.rawValue, number & 0xFF == 0 else { return nil }
        return .tunnelID(SessionNetworkID(unchecked: number >> 8))
    }

    private static func marked(_ key: [UInt8], _ end: [UInt8]) -> (SessionNetworkID, [UInt8])? {
        guard end.isEmpty, key.count > 4, let mark = IPv4Address(bytes: Array(key[..<4])),
            let vni = SessionNetworkID(mark.rawValue)
        else { return nil }
        return (vni, Array(key[4...]))
    }
}
