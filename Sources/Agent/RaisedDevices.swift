import Dataplane
import Netlink
import NetworkTypes
import Synchronization

/// Devices of ours that were seen up: going down takes routes and nexthops along without an event for them.
final class RaisedDevices: Sendable {
    private let indexes = Mutex<Set<Int>>([])

    func insert(_ index: Int) { indexes.withLock { _ = $0.insert(index) } }

    /// True when it was seen up.
    @discardableResult
    func remove(_ index: Int) -> Bool { indexes.withLock { $0.remove(index) != nil } }

    /// What an event means for us, nothing for the kernel's own everyday changes (carrier of a VM, learned neighbors).
    ///
    /// - Parameter device: name of the tunnel's device.
    func concern(of event: KernelEvent, device: String, ports: PortBook) -> Concern? {
        switch event {
        case .link(let link):
            let isOurs = link.name == device || RouteSocket.identifier(ofPort: link.name) != nil
            guard isOurs else { return nil }
            if link.isUp {
                insert(link.index)
                return nil
            }
            // A device that was never up has lost nothing: it is being made.
            return remove(link.index) ? .reason("device \(link.name) went down") : nil
        case .linkGone(let index, let name):
            remove(index)
            if name == device { return .reason("device \(name) is gone") }
            guard let sni = RouteSocket.identifier(ofPort: name), ports[sni] != nil else { return nil }
            return .reason("port \(name) is gone")
        case .changed(let kind):
            // Neighbor entries change all day; a permanent one of ours that vanishes is found by the periodic audit.
            return kind == .neighbor ? nil : .reason("\(kind) changed by somebody else")
        case .vni(let vni, let isPresent): return .vni(vni, isPresent: isPresent)
        case .tableChanged(let name): return .reason("filter table \(name) changed by somebody else")
        case .resync(let reason): return .reason(reason)
        }
    }

    enum Concern {
        /// A reconciliation, and why.
        case reason(String)
        /// Depends on what is desired.
        case vni(SessionNetworkID, isPresent: Bool)
    }
}
