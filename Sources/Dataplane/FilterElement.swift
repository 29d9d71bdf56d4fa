public import NetworkTypes

/// A named nf_tables set of ours. Sets belong to a table, so the same fact may need an element in several of them.
public enum FilterSet: String, Hashable, Comparable, Sendable, CaseIterable {
    /// `source . destination` of pairs of ranges that may talk; interval sets.
    case pair4, pair6
    /// `port . source` that a port may send from; IPv6 by its /72.
    case source4, source6
    /// `port . sender` of ARP requests, and of neighbor solicitations: exact, because they create neighbor entries.
    case arpSender = "arp_sender"
    case solicitor6
    /// `tunnel id . destination` of bound VMs, checked on the VXLAN device.
    case ingress4, ingress6
    /// Known tunnel endpoints and the tunnel ids of this host's blocks, in the host's own namespace.
    case vtep, vtep6
    case tunnelID = "tunnel_id"

    /// The host's own namespace holds it, not the overlay's.
    public var isUnderlay: Bool { self == .vtep || self == .vtep6 || self == .tunnelID }

    public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }
}

/// One element of one of our sets, by meaning; `Netlink` knows its bytes.
public enum FilterElement: Hashable, Sendable {
    case pair4(ClosedRange<IPv4Address>, ClosedRange<IPv4Address>)
    /// Apart in memory: few pairs among many elements would make each of those twice as large.
    indirect case pair6(ClosedRange<IPv6Address>, ClosedRange<IPv6Address>)
    case source4(device: String, IPv4Address)
    /// The /72 network of one identifier.
    case source6(device: String, IPv6Address)
    case arpSender(device: String, IPv4Address)
    case solicitor6(device: String, IPv6Address)
    case ingress4(vni: SessionNetworkID, IPv4Address)
    case ingress6(vni: SessionNetworkID, IPv6Address)
    case vtep(IPAddress)
    /// A VNI that this host receives on.
    case tunnelID(SessionNetworkID)
    /// Bytes that none of the forms above yields: only ever read from a kernel, and only ever deleted.
    case unknown(FilterSet, key: [UInt8], end: [UInt8])

    public var set: FilterSet {
        switch self {
        case .pair4: .pair4
        case .pair6: .pair6
        case .source4: .source4
        case .source6: .source6
        case .arpSender: .arpSender
        case .solicitor6: .solicitor6
        case .ingress4: .ingress4
        case .ingress6: .ingress6
        case .vtep(let address): address.isIPv6 ? .vtep6 : .vtep
        case .tunnelID: .tunnelID
        case .unknown(let set, _, _): set
        }
    }
}

extension FilterElement: CustomStringConvertible {
    public var description: String {
        switch self {
        case .pair4(let source, let destination):
            "pair4 \(source.lowerBound)-\(source.upperBound) . \(destination.lowerBound)-\(destination.upperBound)"
        case .pair6(let source, let destination):
            "pair6 \(source.lowerBound)-\(source.upperBound) . \(destination.lowerBound)-\(destination.upperBound)"
        case .source4(let device, let address): "source4 \(device) . \(address)"
        case .source6(let device, let network): "source6 \(device) . \(network)/72"
        case .arpSender(let device, let address): "arp_sender \(device) . \(address)"
        case .solicitor6(let device, let address): "solicitor6 \(device) . \(address)"
        case .ingress4(let vni, let address): "ingress4 \(vni) . \(address)"
        case .ingress6(let vni, let address): "ingress6 \(vni) . \(address)"
        case .vtep(let address): "vtep \(address)"
        case .tunnelID(let vni): "tunnel_id \(vni)"
        case .unknown(let set, let key, let end): "\(set.rawValue) unknown \(key) \(end)"
        }
    }
}

extension FilterElement {
    /// Total order within a set; bytes that are not ours come last.
    var sortFields: SortFields {
        switch self {
        case .pair4(let source, let destination):
            SortFields(source.lowerBound, destination.lowerBound, source.upperBound, destination.upperBound)
        case .pair6(let source, let destination):
            SortFields(source.lowerBound, destination.lowerBound, source.upperBound, destination.upperBound)
        case .source4(let device, let address), .arpSender(let device, let address):
            SortFields(device, UInt64(address.rawValue))
        case .source6(let device, let address), .solicitor6(let device, let address):
            SortFields(device, address.high, address.low)
        case .ingress4(let vni, let address): SortFields("", UInt64(vni.rawValue), UInt64(address.rawValue))
        case .ingress6(let vni, let address): SortFields("", UInt64(vni.rawValue), address.high, address.low)
        case .vtep(.v4(let address)): SortFields(address)
        case .vtep(.v6(let address)): SortFields(address)
        case .tunnelID(let vni): SortFields("", UInt64(vni.rawValue))
        case .unknown(_, let key, let end): SortFields(unknown: key, end)
        }
    }
}
