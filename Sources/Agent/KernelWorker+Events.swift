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
        let (ports, raised, device) = (ports, raised, kernel.configuration.device)
        // Looked at here, and not by the worker: launches bring more events than it would come to between their batches.
        monitorTasks = monitors.map { monitor in
            Task { [weak self] in
                for await event in monitor.events {
                    ports.note(event)
                    switch raised.concern(of: event, device: device, ports: ports) {
                    case .none: break
                    case .vni(let vni, let isPresent): await self?.heard(vni: vni, isPresent: isPresent)
                    case .reason(let reason): await self?.queueResync(reason)
                    }
                }
                monitor.stop()
            }
        }
    }

    private func heard(vni: SessionNetworkID, isPresent: Bool) {
        if state?.wants(.vni(vni)) != isPresent { queueResync("VNI \(vni) changed by somebody else") }
    }

    /// Asks for a reconciliation: at once, since packets may be lost until then, but for all that happens within a pause
    /// after the last one together.
    private func queueResync(_ reason: String) {
        guard !resyncQueued else { return }
        resyncQueued = true
        let left = lastResync.map { Self.resyncPause - (ContinuousClock.now - $0) } ?? .zero
        guard left > .zero else { return work.put(.resync(reason: reason)) }
        let work = work
        pause = Task {
            do { try await Task.sleep(for: left) } catch { return }
            work.put(.resync(reason: reason))
        }
    }
}
