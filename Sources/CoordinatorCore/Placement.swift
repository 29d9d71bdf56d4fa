public import NetworkTypes
import SNISpace

/// One host as a place for launches of an application.
public struct PlacementHint: Hashable, Sendable {
    public var host: HostID
    /// Free identifiers in staged blocks: a launch tells nobody anything.
    public var staged: Int
    /// Free identifiers in blocks that are not staged yet.
    public var leased: Int
    /// VMs of the application.
    public var bound: Int
    /// Launches of those asked for that should go here.
    public var place: Int
}

/// Where launches of an application would find an identifier that is there already.
public struct PlacementInfo: Hashable, Sendable {
    /// Best first.
    public var hosts: [PlacementHint]
    /// Free identifiers that no host has.
    public var reserved: Int
    /// Launches of those asked for that find none.
    public var unplaced: Int
}

/// The scheduler's help.
extension CoordinatorMachine {
    /// Hosts by free identifiers in staged blocks, then in others, then by name. Launches go where whole groups find staged
    /// identifiers, so that few hosts have to learn of the application; what they leave goes to blocks not staged yet.
    ///
    /// A host that is not connected, or may bind nothing, is no place.
    public func placementHints(
        for reference: ApplicationReference, count: Int
    ) throws(CoordinatorError) -> PlacementInfo {
        guard (0...SessionNetworkID.spaceSize).contains(count) else {
            throw .invalid(field: "count", why: "must be 0 to \(SessionNetworkID.spaceSize)")
        }
        let record = try resolve(reference)
        var hints: [HostID: PlacementHint] = [:]
        for lease in state.book.leases(of: record.id)
        where (lease.state == .staged || lease.state == .leased) && mayLease(lease.host) {
            let use = state.bindings.use(of: lease.block)
            var hint =
                hints[lease.host] ?? PlacementHint(host: lease.host, staged: 0, leased: 0, bound: 0, place: 0)
            let free = max(0, lease.block.size - use.inUse - use.cooling)
            if lease.state == .staged { hint.staged += free } else { hint.leased += free }
            hint.bound += use.inUse
            hints[lease.host] = hint
        }
        var hosts = hints.values.sorted { ($1.staged, $1.leased, $0.host) < ($0.staged, $0.leased, $1.host) }
        var left = count
        for path in [\PlacementHint.staged, \.leased] {
            for index in hosts.indices where left > 0 {
                let taken = min(left, hosts[index][keyPath: path])
                hosts[index].place += taken
                left -= taken
            }
        }
        let reserved = state.book.idleBlocks(of: record.id).reduce(0) { $0 + $1.size }
        return PlacementInfo(hosts: hosts, reserved: reserved, unplaced: left)
    }
}
