import FleetProtocol
import NetworkTypes

/// Echoes to the tunnel endpoints of peers, and what their answers say.
extension AgentMachine {
    /// Endpoints of the remote blocks. A host that is about to change its endpoint answers at the new one later.
    private var echoTargets: Set<IPAddress> {
        durable.remotes.values.reduce(into: []) { targets, remote in
            guard remote.former == nil, !durable.dropped.contains(remote.vtep) else { return }
            targets.insert(remote.vtep)
        }
    }

    var nextEchoDue: Instant? { configuration.echoInterval == nil || !isJoined ? nil : nextEchoAt }

    mutating func sendEchoes(at now: Instant, into effects: inout [AgentEffect]) {
        guard let interval = configuration.echoInterval, isJoined, desireSent, nextEchoAt.map({ $0 <= now }) ?? true
        else { return }
        nextEchoAt = now + interval
        let before = (paths.silent, paths.narrow)
        let targets = echoTargets
        paths.begin(targets)
        if !targets.isEmpty { effects.append(.echo(targets.sorted(), round: paths.round)) }
        tellPaths(unless: before, into: &effects)
    }

    mutating func hearEcho(
        from vtep: IPAddress, round: UInt64, isFull: Bool, into effects: inout [AgentEffect]
    ) {
        let before = (paths.silent, paths.narrow)
        paths.hear(vtep, round: round, isFull: isFull)
        tellPaths(unless: before, into: &effects)
    }

    private mutating func tellPaths(
        unless before: (silent: [IPAddress], narrow: [IPAddress]), into effects: inout [AgentEffect]
    ) {
        guard before != (paths.silent, paths.narrow) else { return }
        for vtep in paths.silent where !before.silent.contains(vtep) { effects.append(.notice(.pathSilent(vtep))) }
        for vtep in paths.narrow where !before.narrow.contains(vtep) { effects.append(.notice(.pathNarrow(vtep))) }
        let bad = Set(paths.silent + paths.narrow)
        for vtep in (before.silent + before.narrow).sorted() where !bad.contains(vtep) {
            effects.append(.notice(.pathAnswers(vtep)))
        }
        if streamGranted, let report = latestHostReport { effects.append(.send(.hostReport(withPaths(report)))) }
    }

    /// A report of the reconciler together with what echoes say now.
    func withPaths(_ report: HostReport) -> HostReport {
        var report = report
        report.paths = paths.count
        report.silentPaths = (paths.silent + paths.narrow).sorted()
        report.pending += pathLines
        return report
    }

    /// In words, for people.
    private var pathLines: [String] {
        paths.silent.map { "path to \($0): no echo comes back through the tunnel" }
            + paths.narrow.map {
                "path to \($0): echoes as long as the overlay's MTU do not come back, shorter ones do; "
                    + "raise the underlay's MTU or lower overlay-mtu"
            }
    }
}
