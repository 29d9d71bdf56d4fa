import Dataplane
import NetworkTypes

/// A device of one VM in the overlay's namespace, with the mark that the agent left on it.
struct Link {
    var index: Int
    var interface: VMInterface
    var application: ApplicationID
    var mac: MACAddress
}

/// The kernel of one host: what is in it, and what it does with a packet.
///
/// It outlives the agent and dies with the host. Nothing here knows what an agent wants; ``KernelWorker`` writes it.
///
/// | part | stands for |
/// |---|---|
/// | locals | the VNI filter: blocks whose VNI the tunnel device takes |
/// | remotes | nexthops and routes: where blocks of other hosts are |
/// | scopes | the interval sets of the forward filter: which ranges may talk |
/// | links | the ports' devices |
/// | endpoint | local address of the tunnel device, which its packets come from; nil without one |
/// | ports | anti-spoof, host route and ingress element of a port: without them its device is mute and deaf |
struct FakeKernel {
    var locals: [SNIBlock: ApplicationID] = [:]
    var remotes: [SNIBlock: RemoteRoute] = [:]
    var scopes: [ApplicationID: Scope] = [:]
    var links: [UInt32: Link] = [:]
    var ports: [UInt32: Port] = [:]
    /// Identifiers of own blocks whose VM moved away: what still arrives for them is sent on.
    var forwards: [UInt32: Forwarding] = [:]
    /// Changes written so far.
    var writes: UInt64 = 0
    var endpoint: IPAddress?
    var lastIndex = 1

    var isEmpty: Bool {
        locals.isEmpty && remotes.isEmpty && scopes.isEmpty && links.isEmpty && ports.isEmpty && forwards.isEmpty
    }

    /// The most specific route to an identifier on another host.
    func route(to sni: UInt32) -> RemoteRoute? {
        guard !remotes.isEmpty else { return nil }
        var size = 1
        while size <= 256 {
            let first = SessionNetworkID(unchecked: sni & ~UInt32(size - 1))
            if let block = SNIBlock(first: first, size: size), let route = remotes[block], !route.standby {
                return route
            }
            size *= 2
        }
        return nil
    }

    /// The forward filter: pairs of ranges of one application, or of two that allow each other.
    func permits(from source: UInt32, to destination: UInt32) -> Bool {
        for scope in scopes.values where scope.covers(source) {
            if scope.covers(destination) { return true }
            for other in scope.allowed {
                guard let partner = scopes[other], partner.allowed.contains(scope.application) else { continue }
                if partner.covers(destination) { return true }
            }
        }
        return false
    }

    /// VNI filter and ingress element: a packet for `sni` that carries `vni` gets as far as the forward filter.
    func admits(_ sni: UInt32, vni: UInt32) -> Bool {
        guard let port = ports[sni], !port.standby, port.block.first.rawValue == vni else { return false }
        return locals[port.block] != nil
    }

    /// The port of an identifier carries traffic: its device is there, and its elements are.
    func isActive(_ sni: UInt32) -> Bool { ports[sni]?.standby == false && links[sni] != nil }

    /// The sender's tunnel endpoint is one of those that blocks are routed to, or were until their host has moved.
    func knows(_ vtep: IPAddress) -> Bool { remotes.values.contains { $0.vtep == vtep || $0.former == vtep } }
}

extension Scope {
    func covers(_ sni: UInt32) -> Bool {
        for range in ranges where sni >= range.first.rawValue && sni < range.end { return true }
        return false
    }
}

/// One entry of the fake kernel, by what keys it.
enum KernelEntry: Hashable {
    case local(SNIBlock)
    case remote(SNIBlock)
    case scope(ApplicationID)
    case port(UInt32)
    case forward(UInt32)
    case endpoint
}

/// What the agent's kernel worker wants, kept in its memory and lost with the process.
struct DesiredState {
    var locals: [SNIBlock: ApplicationID] = [:]
    var remotes: [SNIBlock: RemoteRoute] = [:]
    var scopes: [ApplicationID: Scope] = [:]
    var ports: [UInt32: Port] = [:]
    var forwards: [UInt32: Forwarding] = [:]
    /// What to send from; nil until somebody orders it.
    var endpoint: IPAddress?
    /// Entries that the kernel refused; every further apply tries them again.
    var pending: Set<KernelEntry> = []
    /// What is not wanted goes, once the whole desired state is known.
    var needsComparison = true
    var deletes: DeletionScope

    init(deletes: DeletionScope) { self.deletes = deletes }

    func wants(_ entry: KernelEntry) -> Bool {
        switch entry {
        case .local(let block): locals[block] != nil
        case .remote(let block): remotes[block] != nil
        case .scope(let id): scopes[id] != nil
        case .port(let sni): ports[sni] != nil
        case .forward(let sni): forwards[sni] != nil
        case .endpoint: endpoint != nil
        }
    }

    mutating func merge(_ change: DataplaneChange) -> KernelEntry? {
        switch change {
        case .setLocalBlock(let local):
            locals[local.block] = local.application
            return .local(local.block)
        case .removeLocalBlock(let block):
            locals[block] = nil
            return .local(block)
        case .setRemoteBlock(let route):
            remotes[route.block] = route
            return .remote(route.block)
        case .removeRemoteBlock(let block):
            remotes[block] = nil
            return .remote(block)
        case .setScope(let scope):
            scopes[scope.application] = scope
            return .scope(scope.application)
        case .removeScope(let application):
            scopes[application] = nil
            return .scope(application)
        case .setPort(let port):
            ports[port.sni.rawValue] = port
            return .port(port.sni.rawValue)
        case .removePort(let sni):
            ports[sni.rawValue] = nil
            return .port(sni.rawValue)
        case .setEndpoint(let vtep):
            endpoint = vtep
            return .endpoint
        case .setForwarding(let forwarding):
            forwards[forwarding.sni.rawValue] = forwarding
            return .forward(forwarding.sni.rawValue)
        case .removeForwarding(let sni):
            forwards[sni.rawValue] = nil
            return .forward(sni.rawValue)
        }
    }

    /// Everything in which the kernel differs, in a fixed order: additions and changes, then what is superfluous.
    func differences(from kernel: FakeKernel) -> [KernelEntry] {
        var entries: [KernelEntry] = []
        for (id, scope) in scopes where kernel.scopes[id] != scope { entries.append(.scope(id)) }
        for (block, application) in locals where kernel.locals[block] != application { entries.append(.local(block)) }
        for (block, route) in remotes where kernel.remotes[block] != route { entries.append(.remote(block)) }
        for (sni, port) in ports where kernel.ports[sni] != port { entries.append(.port(sni)) }
        for (sni, way) in forwards where kernel.forwards[sni] != way { entries.append(.forward(sni)) }
        if let endpoint, kernel.endpoint != endpoint { entries.append(.endpoint) }
        if deletes != .nothing {
            for block in kernel.remotes.keys where remotes[block] == nil { entries.append(.remote(block)) }
        }
        if deletes == .everything {
            for sni in kernel.ports.keys where ports[sni] == nil { entries.append(.port(sni)) }
            for sni in kernel.forwards.keys where forwards[sni] == nil { entries.append(.forward(sni)) }
            for block in kernel.locals.keys where locals[block] == nil { entries.append(.local(block)) }
            for id in kernel.scopes.keys where scopes[id] == nil { entries.append(.scope(id)) }
        }
        return entries.sorted()
    }
}

extension KernelEntry: Comparable {
    private var fields: (Int, UInt64, UInt64) {
        switch self {
        case .scope(let id): (0, id.uuid.high, id.uuid.low)
        case .local(let block): (1, UInt64(block.first.rawValue), UInt64(block.size))
        case .remote(let block): (2, UInt64(block.first.rawValue), UInt64(block.size))
        case .port(let sni): (3, UInt64(sni), 0)
        case .forward(let sni): (4, UInt64(sni), 0)
        case .endpoint: (5, 0, 0)
        }
    }
    static func < (lhs: Self, rhs: Self) -> Bool { lhs.fields < rhs.fields }
}

extension KernelEntry: CustomStringConvertible {
    var description: String {
        switch self {
        case .scope(let id): "scope \(id)"
        case .local(let block): "local \(block)"
        case .remote(let block): "remote \(block)"
        case .port(let sni): "port \(sni)"
        case .forward(let sni): "forward \(sni)"
        case .endpoint: "endpoint"
        }
    }
}
