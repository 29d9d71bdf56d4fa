/// A 128-bit identifier in RFC 9562 text form; used for applications, sessions, VMs, incarnations and boots.
public struct UUID128: Hashable, Comparable, Sendable {
    public let high: UInt64
    public let low: UInt64
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A version 4 UUID from the caller's randomness, so that cores and tests stay deterministic.
    public static func random(using generator: inout some RandomNumberGenerator) -> UUID128 {
        let high: UInt64 = generator.next()
        let low: UInt64 = generator.next()
        return UUID128(high: high & ~0xF000 | 0x4000, low: low & ~(0b11 << 62) | 0b10 << 62)
    }

    public static func < (lhs: Self, rhs: Self) -> Bool { (lhs.high, lhs.low) < (rhs.high, rhs.low) }
}

extension UUID128: LosslessStringConvertible {
    /// Lower case, 8-4-4-4-12.
    public var description: String {
        func hex(_ value: UInt64, _ width: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return [
            hex(high >> 32, 8), hex(high >> 16 & 0xFFFF, 4), hex(high & 0xFFFF, 4), hex(low >> 48, 4),
            hex(low & 0xFFFF_FFFF_FFFF, 12),
        ].joined(separator: "-")
    }

    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.count) == [8, 4, 4, 4, 12] else { return nil }
        let digits = parts.joined()
        guard digits.allSatisfy(\.isHexDigit), let high = UInt64(digits.prefix(16), radix: 16),
            let low = UInt64(digits.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}

/// One kind of text-coded value each, so that a host id never goes where an application id belongs.
public protocol TaggedUUID: Hashable, Comparable, Sendable, TextCodable {
    var uuid: UUID128 { get }
    init(_ uuid: UUID128)
}

extension TaggedUUID {
    public var description: String { uuid.description }
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.uuid < rhs.uuid }
    public init?(_ text: String) {
        guard let uuid = UUID128(text) else { return nil }
        self.init(uuid)
    }
}

/// An application: immutable; names may be reused, identities never.
public struct ApplicationID: TaggedUUID {
    public let uuid: UUID128
    public init(_ uuid: UUID128) { self.uuid = uuid }
}
/// One run of an application.
public struct SessionID: TaggedUUID {
    public let uuid: UUID128
    public init(_ uuid: UUID128) { self.uuid = uuid }
}
/// A reservation of the Network Manager.
public struct ReservationID: TaggedUUID {
    public let uuid: UUID128
    public init(_ uuid: UUID128) { self.uuid = uuid }
}
/// Random identity of one agent installation, made when the host joins.
public struct Incarnation: TaggedUUID {
    public let uuid: UUID128
    public init(_ uuid: UUID128) { self.uuid = uuid }
}
/// Identity of one boot of a machine (`/proc/sys/kernel/random/boot_id` unless configured).
public struct BootID: TaggedUUID {
    public let uuid: UUID128
    public init(_ uuid: UUID128) { self.uuid = uuid }
}

/// Name of a host: 1 ... 63 of lower case letters, digits, `-` and `.`, starting with a letter or digit (RFC 1123).
public struct HostID: Hashable, Comparable, Sendable, TextCodable {
    public let name: String
    public var description: String { name }
    public init?(_ name: String) {
        func plain(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (97...122).contains(byte) }
        let bytes = Array(name.utf8)
        guard (1...63).contains(bytes.count), plain(bytes[0]),
            bytes.allSatisfy({ plain($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") })
        else { return nil }
        self.name = name
    }
    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.name < rhs.name }
}

/// The VM side of a binding's key: which VM, which of its interfaces.
public struct VMInterface: Hashable, Comparable, Sendable, Codable {
    /// The operator's VM identity (libvirt's UUID, a container id, ...): 1 ... 128 printable ASCII characters.
    public let vm: String
    /// Interface number inside the VM, 0 first.
    public let nic: Int

    public init?(vm: String, nic: Int) {
        let printable = vm.utf8.allSatisfy { (33...126).contains($0) }
        guard (1...128).contains(vm.utf8.count), printable, (0...255).contains(nic)
        else { return nil }
        self.vm = vm
        self.nic = nic
    }
    public static func < (lhs: Self, rhs: Self) -> Bool { (lhs.vm, lhs.nic) < (rhs.vm, rhs.nic) }
}

extension VMInterface: CustomStringConvertible {
    public var description: String { "\(vm)/\(nic)" }
}
