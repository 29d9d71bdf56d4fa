import FleetProtocol
import NetworkTypes
import SNISpace

/// Fleet: what joined hosts say, and silence.
extension CoordinatorMachine {
    mutating func receive(_ message: AgentMessage, from identity: AgentIdentity, on stream: StreamID) {
        guard live.streams[stream] != nil else { return }
        if case .hello(let hello) = message { return greet(hello, from: identity, on: stream) }
        guard live.streams[stream]?.identity == identity, live.streams[stream]?.isGranted ?? false,
            live.hosts[identity.host]?.stream == stream
        else {
            // A refused or replaced agent may still have messages under way.
            return
        }
        let now = turn.now
        live.hosts[identity.host]?.contact = now
        freezeIfRivalled(identity.host)
        if live.hosts[identity.host]?.reach == .withdrawing { return hearWithdrawing(message, from: identity) }
        switch message {
        case .hello: break
        case .stateAck(let position): acknowledge(position, by: identity.host)
        case .leaseRequest(let request): answer(request, from: identity.host, on: stream)
        case .drainAnswer(let answer): take(answer, from: identity.host)
        case .bindingReport(let report): take(report, from: identity.host, on: stream)
        case .aggregates(let aggregates): take(aggregates, from: identity.host, on: stream)
        case .hostReport(let report): take(report, from: identity.host)
        case .arrived(let sni, let epoch): hearArrival(of: sni, epoch: epoch, at: identity.host)
        }
    }

    /// Without a journal a host acknowledges nothing more, and says so: who waits for it would wait for its repair.
    private mutating func take(_ report: HostReport, from host: HostID) {
        live.hosts[host]?.report = report
        let reach = live.hosts[host]?.reach
        guard let failure = report.journalFailure, reach == .connected || reach == .repaying else { return }
        live.hosts[host]?.reach = .impaired
        notice(.error, "host-impaired", "host \(host) cannot write its journal, and is not waited for: \(failure)")
        excuse(host)
    }

    func isReporting(_ host: HostID) -> Bool {
        guard let known = live.hosts[host], known.stream != nil, known.reach.isStreaming else { return false }
        return now - known.contact < configuration.unreachableAfter
    }

    mutating func disconnect(_ stream: StreamID) {
        guard let gone = live.streams.removeValue(forKey: stream), let host = gone.identity?.host,
            live.hosts[host]?.stream == stream
        else { return }
        let ended = now
        live.hosts[host]?.stream = nil
        live.hosts[host]?.streamEnded = ended
        // Who was not waited for is not waited for now.
        let counted = live.hosts[host]?.reach == .connected
        live.hosts[host]?.reach = counted ? .away : .unreachable
        // Silence counts from the last word, not from the end of the stream.
        live.timers.arm(
            .silence(host), at: max(now, (live.hosts[host]?.contact ?? now) + configuration.unreachableAfter))
        notice(.warning, "host-away", "host \(host) closed its stream")
    }

    mutating func silenceEnded(_ id: HostID) {
        guard let host = live.hosts[id], host.reach != .unreachable, state.hosts[id] != nil else { return }
        let due = host.contact + configuration.unreachableAfter
        guard due <= now else { return live.timers.arm(.silence(id), at: due) }
        if let stream = host.stream {
            live.streams[stream] = nil
            turn.early.append(.close(stream, reason: "no word for \(configuration.unreachableAfter)"))
        }
        let ended = host.stream == nil ? host.streamEnded : now
        live.hosts[id]?.streamEnded = ended
        live.hosts[id]?.stream = nil
        live.hosts[id]?.reach = .unreachable
        notice(.error, "host-unreachable", "host \(id) is silent; what it leases is kept")
        excuse(id)
    }

    private mutating func take(_ report: BindingReport, from host: HostID, on stream: StreamID) {
        if report.journalSequence > state.hosts[host]?.journalSequence ?? 0 {
            for record in report.events where record.state == .cooling || record.state == .ended {
                if let lease = state.book.lease(around: record.sni, of: host) {
                    live.idleSince[lease.block.key] = turn.now
                }
            }
            observeLaunches(report.events, on: host)
            commit(
                .bindings(host, journalSequence: report.journalSequence, records: report.events, whole: false))
            for record in report.events where record.state == .ended { goHome(record.sni, from: host) }
            forgetUnused(host)
        }
        acknowledgeReports(of: host, on: stream)
    }

    mutating func acknowledgeReports(of host: HostID, on stream: StreamID) {
        guard let record = state.hosts[host] else { return }
        turn.late.append(
            .send(
                stream, position,
                .reportAck(journalSequence: record.journalSequence, aggregateSequence: record.aggregateSequence)))
    }
}
