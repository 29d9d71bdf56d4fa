public import NetworkTypes

/// Identity of an object of ours, exactly as the kernel keys it: writing the same key twice is a replacement.
public enum KernelKey: Hashable, Sendable {
    /// Entry of the VXLAN device's VNI filter.
    case vni(SessionNetworkID)
    case neighbor(device: String, address: IPAddress)
    /// Nexthop object (`RTM_NEWNEXTHOP`).
    case nexthop(UInt32)
    /// Route of the main table. The kernel's default metric is 0 for IPv4 and 1024 for IPv6.
    case route(IPPrefix, metric: UInt32)
    /// Apart in memory: the largest, and one among the many keys of a port.
    indirect case address(device: String, prefix: IPPrefix)
    case element(FilterElement)

    public var kind: KernelKind {
        switch self {
        case .vni: .vni
        case .neighbor: .neighbor
        case .nexthop: .nexthop
        case .route: .route
        case .address: .address
        case .element(let element): .element(element.set)
        }
    }
}

/// Kind of object: what one dump returns and one batch carries.
public enum KernelKind: Hashable, Comparable, Sendable {
    case vni, neighbor, nexthop, route, address
    case element(FilterSet)

    /// All kinds of one host: the overlay's namespace, and the set of tunnel endpoints in the host's own.
    public static let all: [KernelKind] =
        [.vni, .neighbor, .nexthop, .route, .address] + FilterSet.allCases.map(KernelKind.element)
}

extension KernelKey: Comparable {
    /// Kind first, then device, then numbers: the order of plans, logs and reports.
    public static func < (lhs: Self, rhs: Self) -> Bool {
        guard lhs.kind == rhs.kind else { return lhs.kind < rhs.kind }
        return lhs.sortFields < rhs.sortFields
    }

    /// Total order within a kind.
    var sortFields: SortFields {
        switch self {
        case .vni(let vni): SortFields("", UInt64(vni.rawValue))
        case .neighbor(let device, let address): SortFields(device, address.hostPrefix)
        case .nexthop(let id): SortFields("", UInt64(id))
        case .route(let prefix, let metric): SortFields("", prefix, metric: metric)
        case .address(let device, let prefix): SortFields(device, prefix)
        case .element(let element): element.sortFields
        }
    }
}

/// A name and numbers, compared in that order. Without memory of its own: a plan sorts a hundred thousand while packets
/// wait for their routes.
struct SortFields: Comparable {
    private let name: String
    private var numbers: InlineArray<8, UInt64> = InlineArray(repeating: 0)
    /// What no key of ours has.
    private var rest: [UInt64] = []

    init(_ name: String, _ first: UInt64, _ second: UInt64 = 0, _ third: UInt64 = 0) {
        self.name = name
        numbers[0] = first
        numbers[1] = second
        numbers[2] = third
    }

    /// IPv4 before IPv6.
    init(_ name: String, _ prefix: IPPrefix, metric: UInt32 = 0) {
        self.name = name
        switch prefix {
        case .v4(let address, let length):
            numbers[0] = 4
            numbers[2] = UInt64(address.rawValue)
            numbers[3] = UInt64(length)
        case .v6(let address, let length):
            numbers[0] = 6
            numbers[1] = address.high
            numbers[2] = address.low
            numbers[3] = UInt64(length)
        }
        numbers[4] = UInt64(metric)
    }

    init(_ addresses: IPv6Address...) {
        name = ""
        for (index, address) in addresses.prefix(4).enumerated() {
            numbers[2 * index] = address.high
            numbers[2 * index + 1] = address.low
        }
    }

    init(_ addresses: IPv4Address...) {
        name = ""
        for (index, address) in addresses.prefix(8).enumerated() { numbers[index] = UInt64(address.rawValue) }
    }

    /// Behind every other.
    init(unknown bytes: [UInt8], _ more: [UInt8]) {
        name = "\u{10FFFF}"
        rest = bytes.map(UInt64.init) + [.max] + more.map(UInt64.init)
    }

    static func < (lhs: Self, rhs: Self) -> Bool {
        guard lhs.name == rhs.name else { return lhs.name < rhs.name }
        for index in lhs.numbers.indices where lhs.numbers[index] != rhs.numbers[index] {
            return lhs.numbers[index] < rhs.numbers[index]
        }
        return lhs.rest.lexicographicallyPrecedes(rhs.rest)
    }

    static func == (lhs: Self, rhs: Self) -> Bool { !(lhs < rhs) && !(rhs < lhs) }
}

extension KernelKey: CustomStringConvertible {
    public var description: String {
        switch self {
        case .vni(let vni): "vni \(vni)"
        case .neighbor(let device, let address): "neighbor \(address) on \(device)"
        case .nexthop(let id): "nexthop \(id)"
        case .route(let prefix, let metric): "route \(prefix) metric \(metric)"
        case .address(let device, let prefix): "address \(prefix) on \(device)"
        case .element(let element): "element \(element)"
        }
    }
}

/// A nexthop object with the encapsulation of either family: where one remote block lives.
public struct Nexthop: Hashable, Sendable {
    public var id: UInt32
    /// Tunnel id to send with: the block's VNI.
    public var vni: SessionNetworkID
    /// Outer source: this host's endpoint, which need not be the address of the interface that leads to the peer.
    public var source: IPAddress
    /// Outer destination, of the same family.
    public var vtep: IPAddress
    /// Link-local gateway that the permanent neighbor of the VTEP answers for; serves both families.
    public var gateway: IPv6Address
    public var device: String
    public init(
        id: UInt32, vni: SessionNetworkID, source: IPAddress, vtep: IPAddress, gateway: IPv6Address, device: String
    ) {
        self.id = id
        self.vni = vni
        self.source = source
        self.vtep = vtep
        self.gateway = gateway
        self.device = device
    }
}

/// What a route does with its packets.
public enum RouteTarget: Hashable, Sendable {
    case nexthop(UInt32)
    /// On-link; `source` is the preferred source address (`RTA_PREFSRC`), `mtu` the longest packet, bytes (`RTAX_MTU`;
    /// nil: the device's).
    case device(String, source: IPv4Address?, mtu: UInt16? = nil)
    case unreachable
}

/// One object of the overlay's namespace, with everything that we set on it.
///
/// Apart in memory: who wants it, what is wanted and what the kernel has refer to the same one.
public indirect enum KernelObject: Hashable, Sendable {
    case vni(SessionNetworkID)
    /// Permanent (`NUD_PERMANENT`).
    case neighbor(device: String, address: IPAddress, mac: MACAddress)
    case nexthop(Nexthop)
    /// Main table, our protocol number.
    case route(IPPrefix, metric: UInt32, RouteTarget)
    /// IPv6 addresses are set with `IFA_F_NODAD`.
    case address(device: String, prefix: IPPrefix)
    case element(FilterElement)

    public var key: KernelKey {
        switch self {
        case .vni(let vni): .vni(vni)
        case .neighbor(let device, let address, _): .neighbor(device: device, address: address)
        case .nexthop(let nexthop): .nexthop(nexthop.id)
        case .route(let prefix, let metric, _): .route(prefix, metric: metric)
        case .address(let device, let prefix): .address(device: device, prefix: prefix)
        case .element(let element): .element(element)
        }
    }
}

/// Who made an entry that a dump returned; decides whether it may be deleted (``OwnershipPolicy``).
public enum Origin: Hashable, Sendable {
    /// `rtm_protocol` or `nh_protocol`.
    case routing(protocolNumber: UInt8)
    /// `permanent` is NUD_PERMANENT.
    case neighbor(permanent: Bool)
    /// Sets of our tables, the VNI filter of our device, addresses.
    case plain
}

/// One entry of a dump.
public struct ObservedObject: Hashable, Sendable {
    public var key: KernelKey
    /// Nil when the entry carries something that we never write (a metric set, several gateways, another nexthop kind).
    public var object: KernelObject?
    public var origin: Origin
    public init(key: KernelKey, object: KernelObject?, origin: Origin) {
        self.key = key
        self.object = object
        self.origin = origin
    }
    public init(_ object: KernelObject, origin: Origin = .plain) {
        self.init(key: object.key, object: object, origin: origin)
    }
}

/// What one round of dumps returned. Only the kinds listed were read; others keep their former view.
public struct KernelDump: Sendable {
    public var kinds: Set<KernelKind>
    public var objects: [ObservedObject]
    public init(kinds: Set<KernelKind> = Set(KernelKind.all), objects: [ObservedObject]) {
        self.kinds = kinds
        self.objects = objects
    }
}
