import DequeModule
import FleetProtocol
import NetworkTypes

/// Which identifier a launch gets.
extension AgentMachine {
    /// The identifier for a launch: the one that waits for it, or any other that is free; nil when it has to wait.
    func choice(for wish: AttachRequest, at now: Instant) -> SessionNetworkID? {
        expected(wish) ?? (isHeldUp(wish) ? nil : pick(for: wish.application, at: now))
    }

    /// An identifier waits for this interface, and a port that nobody wrote down has it still. Another identifier would be
    /// another address, so the launch waits until that port is gone.
    func isHeldUp(_ wish: AttachRequest) -> Bool {
        incoming[wish.interface]?.contains { block in
            guard let lease = durable.leases[block] else { return false }
            return lease.order.application == wish.application && lease.isBindable
                && durable.bindings[block.first] == nil && unknownPorts[block.first] != nil
        } ?? false
    }

    /// The oldest waiting launch that can be served now. Those that are held up keep nobody else waiting.
    func nextServed(
        of application: ApplicationID, at now: Instant
    ) -> (interface: VMInterface, sni: SessionNetworkID)? {
        for interface in waiting[application] ?? [] {
            guard let wish = launches[interface]?.request else { continue }
            if let sni = choice(for: wish, at: now) { return (interface, sni) }
            if !isHeldUp(wish) { return nil }
        }
        return nil
    }
}
