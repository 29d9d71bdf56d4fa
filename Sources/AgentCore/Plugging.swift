import FleetProtocol
import NetworkTypes

/// Ports that appear after their VM's Attach.
extension AgentMachine {
    mutating func plug(
        _ wish: PlugRequest, for request: RequestID, at now: Instant, into effects: inout [AgentEffect]
    ) {
        func refuse(_ error: AgentError) { effects.append(.reply(request, .failure(error))) }
        if let journalFailure { return refuse(.journal(reason: journalFailure)) }
        if let launch = launches[wish.interface], launch.purpose == .plug(wish) {
            launches[wish.interface]?.waiters.append(request)
            return
        }
        guard launches[wish.interface] == nil, let sni = durable.byInterface[wish.interface],
            let bound = durable.bindings[sni]
        else { return refuse(.noSuchBinding(wish.interface)) }
        guard bound.port == .later else {
            return refuse(.invalid(parameter: "port", reason: "the interface was attached with a port of its own"))
        }
        guard (1...15).contains(wish.port.utf8.count), !wish.port.utf8.contains(where: { $0 <= 32 || $0 == 47 }) else {
            return refuse(.invalid(parameter: "port", reason: "'\(wish.port)' is no interface name"))
        }
        if ports[sni] != nil {
            reply(to: [request], for: bound, into: &effects)
            return
        }
        var launch = Launch(
            purpose: .plug(wish), phase: .journalling, request: bound.asRequest, sni: sni, startedAt: now,
            deadline: now, waiters: [request])
        launch.wasBound = true
        launches[wish.interface] = launch
        let interface = wish.interface
        journal([.plugged(sni)], into: &effects) { _ in .launch(interface) }
    }
}
