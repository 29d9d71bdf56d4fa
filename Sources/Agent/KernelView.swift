import AgentCore
import DaemonSupport
import Dataplane
import FleetProtocol
import Journal
import Netlink
import NetworkTypes

/// What the journal wants of the kernel, what the kernel has, and the difference. Reads only, also beside a running
/// agent: the journal is written before the kernel, so what it says is what the agent wants.
struct KernelView {
    /// Why nothing is wanted; nil when something is.
    var reason: String?
    var state: DataplaneState
    var dump: KernelDump
    /// Device and tables to make before anything else.
    var gaps: [String]
    /// Tunnel endpoints of the remote blocks that are wanted.
    var endpoints: [IPAddress]
    let kernel: KernelDataplane

    static func read(_ settings: AgentSettings) throws -> KernelView {
        let namespace = try OverlayNamespace(path: settings.overlayNamespace, host: NamespaceSockets(path: nil))
        let wish = try Wish.read(settings, namespace: namespace)
        let grant = wish.grant
        let configuration = DataplaneConfiguration(
            plan: grant?.overlay ?? .standard, vtep: wish.endpoint, mtu: grant?.overlayMTU ?? wish.defaultMTU,
            vxlanPort: grant?.vxlanPort ?? 4789, answersGuests: settings.addressing == .responder)
        let kernel = try KernelDataplane(configuration: configuration, namespace: namespace)
        var state = DataplaneState(configuration: configuration, deletes: wish.deletes)
        var endpoints: Set<IPAddress> = []
        for change in wish.changes {
            try state.apply(change)
            if case .setRemoteBlock(let route) = change { endpoints.insert(route.vtep) }
        }
        let dump = try kernel.dump()
        state.resync(dump)
        // What nobody wants is deleted on a second sight only.
        if state.tracker.needsRecheck { state.resync(try kernel.dump()) }
        return KernelView(
            reason: wish.reason, state: state, dump: dump, gaps: try kernel.gaps(), endpoints: endpoints.sorted(),
            kernel: kernel)
    }

    /// The plan in words, in the order in which it would be carried out; empty when there is nothing to do.
    var planLines: [String] {
        guard reason == nil else { return [] }
        return gaps
            + state.plan().operations.map { operation in
                switch operation {
                case .create(let object): "create \(object.key)"
                case .replace(let object): "replace \(object.key)"
                case .delete(let key): "delete \(key)"
                }
            }
    }
}

/// What a start of the agent would want now.
private struct Wish {
    var reason: String?
    var grant: BootGrant?
    var deletes = DeletionScope.nothing
    var changes: [DataplaneChange] = []
    /// For an export before any grant.
    var defaultMTU: Int
    var endpoint: IPAddress

    static func read(_ settings: AgentSettings, namespace: OverlayNamespace) throws -> Wish {
        let facts = try HostFacts.read(settings, host: namespace.host, overlay: namespace.overlay)
        var wish = Wish(
            defaultMTU: facts.underlayMTU - settings.vtep.tunnelOverhead, endpoint: facts.endpoint(settings))
        guard let contents = try Journal.read(path: "\(settings.stateDirectory)/journal") else {
            wish.reason =
                "there is no journal in \(settings.stateDirectory): nothing is wanted, nothing would be deleted"
            return wish
        }
        if let damage = contents.damage {
            wish.reason =
                "the journal in \(settings.stateDirectory) is damaged \(damage): nothing would be deleted, "
                + "and nothing is wanted before the coordinator says what"
            return wish
        }
        guard contents.identity.fingerprint == facts.fingerprint else {
            wish.reason = "the journal in \(settings.stateDirectory) was made on another machine and counts for nothing"
            return wish
        }
        var machine = AgentMachine(
            configuration: AgentCoreConfiguration(
                fingerprint: facts.fingerprint, vtep: settings.vtep, underlayMTU: facts.underlayMTU,
                version: Version.current),
            identity: AgentIdentity(
                host: settings.host, incarnation: contents.identity.incarnation, boot: facts.boot), randomSeed: 0)
        let entries = try contents.lines.map {
            JournalEntry(sequence: $0.sequence, record: try JournalRecord(decoding: $0.payload))
        }
        let ports = try RouteSocket(in: namespace.overlay).ports().map(AdoptedPort.init)
        for effect in machine.recover(entries, kernelPorts: ports, journalLost: false, at: BootClock().now) {
            switch effect {
            case .ensureOverlay(let grant, let deletes): (wish.grant, wish.deletes) = (grant, deletes)
            case .dataplane(let changes, _): wish.changes += changes
            default: break
            }
        }
        if wish.grant == nil {
            wish.reason = "the coordinator has not confirmed this boot yet: nothing is wanted before it does"
        }
        return wish
    }
}

extension AdoptedPort {
    /// A port as the kernel shows it: what its mark says of it.
    init(_ sni: SessionNetworkID, _ link: Link) {
        let mark = PortMark(link.alias)
        self.init(
            sni: sni, index: link.index, interface: mark?.interface, application: mark?.application, mac: mark?.mac)
    }
}
