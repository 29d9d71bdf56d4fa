public import NetworkTypes

/// From semantic changes to desired kernel objects.
///
/// Every change costs in proportion to its own objects, never to the table. Keys are the kernel's; when two sources
/// want one key, the order of ``Contributor`` decides.
///
/// | change | objects |
/// |---|---|
/// | (always) | gateway address on `lo`, unreachable cover routes of both overlay prefixes, what lets echoes in |
/// | local block | its VNI in the filter, and in the host's table |
/// | remote block | nexthop object, a route of each family; neighbor, admitted sender and echo route per tunnel endpoint |
/// | scope | pairs of ranges within the application, and with each application when both allow each other |
/// | remote block on standby | all of it but the routes |
/// | remote block of a host whose endpoint changes | its former endpoint is an admitted sender too |
/// | endpoint of this host | the outer source of every nexthop object, and what it calls itself |
/// | port | gateway address, host routes, neighbors, anti-spoof elements, ingress elements |
/// | port on standby | gateway address, neighbors |
/// | forwarding | ingress elements under the block's VNI |
public struct DataplaneModel: Sendable {
    public private(set) var configuration: DataplaneConfiguration

    /// Who wants a key. Earlier cases win: what is bound here beats what is routed elsewhere.
    ///
    /// Apart in memory: all wishes of one contributor refer to the same one.
    private indirect enum Contributor: Hashable, Sendable {
        case always
        case port(SessionNetworkID)
        case forwarding(SessionNetworkID)
        case local(SNIBlock)
        case remote(SNIBlock)
        case tunnelEndpoint(IPAddress)
        case formerEndpoint(IPAddress)
        case scope(ApplicationPair)

        var precedence: Int {
            switch self {
            case .always: 0
            case .port: 1
            case .forwarding: 2
            case .local: 3
            case .remote: 4
            case .tunnelEndpoint, .formerEndpoint: 5
            case .scope: 6
            }
        }
    }

    /// Who wants what for one key. Nearly always it is one contributor, and there are very many keys.
    private enum Wishes: Sendable {
        case one(Contributor, KernelObject)
        case several([(contributor: Contributor, object: KernelObject)])

        var all: [(contributor: Contributor, object: KernelObject)] {
            switch self {
            case .one(let contributor, let object): [(contributor, object)]
            case .several(let wishes): wishes
            }
        }

        /// Nil for none.
        init?(_ wishes: [(contributor: Contributor, object: KernelObject)]) {
            guard let first = wishes.first else { return nil }
            self = wishes.count == 1 ? .one(first.contributor, first.object) : .several(wishes)
        }

        var strongest: KernelObject? {
            switch self {
            case .one(_, let object): object
            case .several(let wishes):
                wishes.min { $0.contributor.precedence < $1.contributor.precedence }?.object
            }
        }
    }

    private var wanted: [KernelKey: Wishes] = [:]
    private var ports: [SessionNetworkID: Port] = [:]
    /// Identifiers of the ports on standby, whose guests have not been heard.
    public private(set) var standbyPorts: Set<SessionNetworkID> = []
    private var forwardings: [SessionNetworkID: Forwarding] = [:]
    private var localBlocks: [SNIBlock: LocalBlock] = [:]
    private var remoteBlocks: [SNIBlock: RemoteRoute] = [:]
    private var blocksOfEndpoint: [IPAddress: Int] = [:]
    private var blocksOfFormer: [IPAddress: Int] = [:]
    /// Whose echoes go by a nexthop object.
    private var echoed: [UInt32: IPAddress] = [:]
    private var scopes: [ApplicationID: Scope] = [:]
    private var pairs: [ApplicationPair: Set<FilterElement>] = [:]

    public init(configuration: DataplaneConfiguration) {
        self.configuration = configuration
        var ignored: Set<KernelKey> = []
        want(ObjectBuilder(configuration: configuration).always, for: .always, touched: &ignored)
    }

    /// The object wanted for a key, or nil when the key should not exist.
    public func object(for key: KernelKey) -> KernelObject? {
        wanted[key]?.strongest
    }

    /// Every key that should exist.
    public var keys: some Collection<KernelKey> { wanted.keys }

    /// Ports as last set.
    public func port(_ sni: SessionNetworkID) -> Port? { ports[sni] }

    /// Takes one change and returns the keys whose wanted object may differ now.
    public mutating func apply(_ change: DataplaneChange) throws(DataplaneError) -> Set<KernelKey> {
        var touched: Set<KernelKey> = []
        switch change {
        case .setLocalBlock(let local):
            try check(local.block)
            localBlocks[local.block] = local
            want(builder.local(local.block), for: .local(local.block), touched: &touched)
        case .removeLocalBlock(let block):
            guard localBlocks.removeValue(forKey: block) != nil else { return [] }
            unwant(builder.local(block).map(\.key), for: .local(block), touched: &touched)
        case .setRemoteBlock(let route):
            try check(route.block)
            try check(route, against: configuration.vtep)
            setRemote(route, touched: &touched)
        case .removeRemoteBlock(let block):
            removeRemote(block, touched: &touched)
        case .setScope(let scope):
            for range in scope.ranges { try check(range) }
            replaceScope(of: scope.application, with: scope, touched: &touched)
        case .removeScope(let application):
            replaceScope(of: application, with: nil, touched: &touched)
        case .setPort(let port):
            try check(port)
            setPort(port, touched: &touched)
        case .removePort(let sni):
            guard let port = ports.removeValue(forKey: sni) else { return [] }
            standbyPorts.remove(sni)
            unwant(builder.port(port).map(\.key), for: .port(sni), touched: &touched)
        case .setForwarding(let forwarding):
            try check(forwarding.block)
            guard forwarding.block.contains(forwarding.sni) else {
                throw .portOutsideBlock(forwarding.sni, forwarding.block)
            }
            removeForwarding(of: forwarding.sni, touched: &touched)
            forwardings[forwarding.sni] = forwarding
            want(builder.forwarding(forwarding), for: .forwarding(forwarding.sni), touched: &touched)
        case .removeForwarding(let sni): removeForwarding(of: sni, touched: &touched)
        case .setEndpoint(let vtep): try setEndpoint(vtep, touched: &touched)
        }
        return touched
    }

    private var builder: ObjectBuilder { ObjectBuilder(configuration: configuration) }
}

// MARK: - Checks

extension DataplaneModel {
    private func check(_ range: SNIRange) throws(DataplaneError) {
        let capacity = configuration.plan.capacity
        guard Int(range.last.rawValue) < capacity else { throw .outsidePlan(range, capacity: capacity) }
    }

    private func check(_ block: SNIBlock) throws(DataplaneError) {
        guard block.vni.rawValue != 0 else { throw .reservedVNI(block) }
        try check(block.range)
    }

    private func check(_ route: RemoteRoute, against own: IPAddress) throws(DataplaneError) {
        guard route.vtep != own else { throw .ownTunnelEndpoint(route.block, route.vtep) }
        guard route.vtep.isIPv6 == own.isIPv6 else { throw .otherFamily(route.block, route.vtep, own: own) }
    }

    private func check(_ port: Port) throws(DataplaneError) {
        try check(port.block)
        guard port.block.contains(port.sni) else { throw .portOutsideBlock(port.sni, port.block) }
        guard !port.mac.isMulticast else { throw .groupAddress(port.sni, port.mac) }
    }
}

// MARK: - Changes

extension DataplaneModel {
    private mutating func setRemote(_ route: RemoteRoute, touched: inout Set<KernelKey>) {
        let former = remoteBlocks.updateValue(route, forKey: route.block)
        if let former, !former.standby, route.standby {
            unwant(builder.remote(former).map(\.key), for: .remote(route.block), touched: &touched)
        }
        if former?.vtep != route.vtep {
            blocksOfEndpoint[route.vtep, default: 0] += 1
            if let former { releaseEndpoint(former.vtep, touched: &touched) }
        }
        if former?.former != route.former {
            if let vtep = route.former { blocksOfFormer[vtep, default: 0] += 1 }
            if let vtep = former?.former { releaseFormer(vtep, touched: &touched) }
        }
        if let vtep = route.former { want([builder.sender(vtep)], for: .formerEndpoint(vtep), touched: &touched) }
        // Touched for every block, because none is staged before its endpoint is.
        want(endpoint(route.vtep), for: .tunnelEndpoint(route.vtep), touched: &touched)
        want(builder.remote(route), for: .remote(route.block), touched: &touched)
    }

    private mutating func removeRemote(_ block: SNIBlock, touched: inout Set<KernelKey>) {
        guard let route = remoteBlocks.removeValue(forKey: block) else { return }
        unwant(builder.remote(route).map(\.key), for: .remote(block), touched: &touched)
        releaseEndpoint(route.vtep, touched: &touched)
        if let vtep = route.former { releaseFormer(vtep, touched: &touched) }
    }

    private mutating func releaseEndpoint(_ vtep: IPAddress, touched: inout Set<KernelKey>) {
        let left = (blocksOfEndpoint[vtep] ?? 1) - 1
        blocksOfEndpoint[vtep] = left > 0 ? left : nil
        guard left <= 0 else { return }
        unwant(endpoint(vtep).map(\.key), for: .tunnelEndpoint(vtep), touched: &touched)
        let id = DataplaneConfiguration.echoNexthopID(of: vtep)
        if echoed[id] == vtep { echoed[id] = nil }
    }

    private mutating func endpoint(_ vtep: IPAddress) -> [KernelObject] {
        let id = DataplaneConfiguration.echoNexthopID(of: vtep)
        if echoed[id] == nil { echoed[id] = vtep }
        return builder.endpoint(vtep, isEchoed: echoed[id] == vtep)
    }

    private mutating func releaseFormer(_ vtep: IPAddress, touched: inout Set<KernelKey>) {
        let left = (blocksOfFormer[vtep] ?? 1) - 1
        blocksOfFormer[vtep] = left > 0 ? left : nil
        if left <= 0 { unwant([builder.sender(vtep).key], for: .formerEndpoint(vtep), touched: &touched) }
    }

    /// What others send to this host is not touched: the tunnel's socket takes packets to any of its addresses.
    private mutating func setEndpoint(_ vtep: IPAddress, touched: inout Set<KernelKey>) throws(DataplaneError) {
        for route in remoteBlocks.values.sorted(by: { $0.block < $1.block }) { try check(route, against: vtep) }
        let former = builder.always
        configuration.vtep = vtep
        let objects = builder.always
        let kept = Set(objects.map(\.key))
        unwant(former.map(\.key).filter { !kept.contains($0) }, for: .always, touched: &touched)
        want(objects, for: .always, touched: &touched)
        for route in remoteBlocks.values {
            want(builder.remote(route), for: .remote(route.block), touched: &touched)
        }
        for vtep in blocksOfEndpoint.keys { want(endpoint(vtep), for: .tunnelEndpoint(vtep), touched: &touched) }
    }

    private mutating func setPort(_ port: Port, touched: inout Set<KernelKey>) {
        let objects = builder.port(port)
        if port.standby { standbyPorts.insert(port.sni) } else { standbyPorts.remove(port.sni) }
        if let former = ports.updateValue(port, forKey: port.sni) {
            let kept = Set(objects.map(\.key))
            unwant(
                builder.port(former).map(\.key).filter { !kept.contains($0) }, for: .port(port.sni), touched: &touched)
        }
        want(objects, for: .port(port.sni), touched: &touched)
    }

    private mutating func removeForwarding(of sni: SessionNetworkID, touched: inout Set<KernelKey>) {
        guard let former = forwardings.removeValue(forKey: sni) else { return }
        unwant(builder.forwarding(former).map(\.key), for: .forwarding(sni), touched: &touched)
    }

    private mutating func replaceScope(
        of application: ApplicationID, with scope: Scope?, touched: inout Set<KernelKey>
    ) {
        let former = scopes[application]
        scopes[application] = scope
        let partners = Set((former?.allowed ?? []) + (scope?.allowed ?? []) + [application])
        for partner in partners {
            let pair = ApplicationPair(application, partner)
            let elements = elements(of: pair)
            let old = pairs[pair] ?? []
            pairs[pair] = elements.isEmpty ? nil : elements
            unwant(old.subtracting(elements).map(KernelKey.element), for: .scope(pair), touched: &touched)
            want(elements.subtracting(old).map(KernelObject.element), for: .scope(pair), touched: &touched)
        }
    }

    /// Pairs of two applications exist while both allow each other: one side alone opens nothing.
    private func elements(of pair: ApplicationPair) -> Set<FilterElement> {
        guard let first = scopes[pair.first], let second = scopes[pair.second] else { return [] }
        if pair.first == pair.second {
            return builder.pairs(from: first.ranges, to: first.ranges)
        }
        guard first.allowed.contains(pair.second), second.allowed.contains(pair.first) else { return [] }
        return builder.pairs(from: first.ranges, to: second.ranges)
            .union(builder.pairs(from: second.ranges, to: first.ranges))
    }
}

// MARK: - Contributions

extension DataplaneModel {
    private mutating func want(
        _ objects: [KernelObject], for contributor: Contributor, touched: inout Set<KernelKey>
    ) {
        for object in objects {
            let key = object.key
            let others = wanted[key]?.all.filter { $0.contributor != contributor } ?? []
            wanted[key] = Wishes(others + [(contributor, object)])
            touched.insert(key)
        }
    }

    private mutating func unwant(
        _ keys: [KernelKey], for contributor: Contributor, touched: inout Set<KernelKey>
    ) {
        for key in keys {
            wanted[key] = Wishes(wanted[key]?.all.filter { $0.contributor != contributor } ?? [])
            touched.insert(key)
        }
    }
}

/// Two applications, unordered; an application with itself is the pair of its own ranges.
private struct ApplicationPair: Hashable, Sendable {
    let first: ApplicationID
    let second: ApplicationID
    init(_ one: ApplicationID, _ other: ApplicationID) {
        first = min(one, other)
        second = max(one, other)
    }
}
