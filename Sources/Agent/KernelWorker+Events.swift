import AgentCore
import Dataplane
import FleetProtocol
import Glibc
import Logging
import Netlink
import NetworkTypes

/// What others change, heard as it happens.
extension KernelWorker {
    func watch(_ kernel: KernelDataplane) throws(NetlinkError) {
        for task in monitorTasks { task.cancel() }
        let monitors = [
            try LinkMonitor(in: namespace.overlay, ignoring: [kernel.route.port]),
            try LinkMonitor(
                tables: kernel.overlayTables.names, in: namespace.overlay, ignoring: [kernel.overlayTables.port]),
            try LinkMonitor(
                tables: kernel.underlayTables.names, in: namespace.host, ignoring: [kernel.underlayTables.port]),
        ]
        monitorTasks = monitors.map { monitor in
            Task { [weak self] in
                for await event in monitor.events { await self?.heard(event) }
                monitor.stop()
            }
        }
    }

    /// Asks for a reconciliation: at once, since packets may be lost until then, but for all that happens within a pause
    /// after the last one together.
    private func heard(_ event: KernelEvent) {
        ports.note(event)
        guard let reason = concern(of: event), !resyncQueued else { return }
        resyncQueued = true
        let left = lastResync.map { Self.resyncPause - (ContinuousClock.now - $0) } ?? .zero
        guard left > .zero else { return work.put(.resync(reason: reason)) }
        let work = work
        pause = Task {
            do { try await Task.sleep(for: left) } catch { return }
            work.put(.resync(reason: reason))
        }
    }

    /// Why an event matters, nil for the kernel's own everyday changes (carrier of a VM, learned neighbors).
    private func concern(of event: KernelEvent) -> String? {
        switch event {
        case .link(let link):
            let isOurs = link.name == kernel?.configuration.device || RouteSocket.identifier(ofPort: link.name) != nil
            guard isOurs else { return nil }
            if link.isUp {
                raised.insert(link.index)
                return nil
            }
            // A device that was never up has lost nothing: it is being made.
            return raised.remove(link.index) != nil ? "device \(link.name) went down" : nil
        case .linkGone(let index, let name):
            raised.remove(index)
            if name == kernel?.configuration.device { return "device \(name) is gone" }
            guard let sni = RouteSocket.identifier(ofPort: name), ports[sni] != nil else { return nil }
            return "port \(name) is gone"
        case .changed(let kind):
            // Neighbor entries change all day; a permanent one of ours that vanishes is found by the periodic audit.
            return kind == .neighbor ? nil : "\(kind) changed by somebody else"
        case .vni(let vni, let isPresent):
            return state?.wants(.vni(vni)) == isPresent ? nil : "VNI \(vni) changed by somebody else"
        case .tableChanged(let name): return "filter table \(name) changed by somebody else"
        case .resync(let reason): return reason
        }
    }
}
