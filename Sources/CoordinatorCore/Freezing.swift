import FleetProtocol
import NetworkTypes
import SNISpace

/// Freezing: two machines under one name, of which nobody can know which one is right.
///
/// | state | event | next |
/// |---|---|---|
/// | granted | another boot or fingerprint says hello | granted; the other is refused, and remembered as a rival |
/// | granted, rival | silence | the rival's next hello is a reboot |
/// | granted, rival | a word of the granted one | frozen: no lease and no grant for either, no drain, alarm |
/// | frozen | hello of the first | joined: told and acknowledging like any host, binding nothing |
/// | frozen | hello of anybody else | refused |
/// | frozen | thaw, keep the first | granted; the second gets no grant any more |
/// | frozen | thaw, keep the second (the first is silent) | the first is barred; the second's hello is a reboot |
///
/// The freeze is an event of the store, so that a new coordinator keeps it.
extension CoordinatorMachine {
    func freeze(of host: HostID) -> HostFreeze? { state.safety[host]?.freeze }

    /// A host may get leases: it is live, and nothing about it waits for an operator.
    func mayLease(_ host: HostID) -> Bool {
        guard let known = live.hosts[host], known.reach == .connected, !known.isRecovering else { return false }
        return stop(of: host) == nil && state.safety[host]?.fence == nil
    }

    /// Called for every word of the granted machine: with a rival about, it proves that there are two.
    mutating func freezeIfRivalled(_ host: HostID) {
        guard let rival = live.hosts[host]?.rival, let record = state.hosts[host], freeze(of: host) == nil else {
            return
        }
        live.hosts[host]?.rival = nil
        freeze(host, .rivals(first: record.claimant, second: rival))
    }

    mutating func freeze(_ host: HostID, _ cause: HostFreeze) {
        commit(.host(host, .frozen(cause)))
        // A block whose mark may be answered by either machine is kept.
        for lease in held(by: host) where lease.state == .marked {
            try? book { (book) throws(BookError) in try book.abort(lease.block, epoch: lease.epoch) }
        }
        notice(.error, "host-frozen", "nothing is bound under the name \(host) any more: \(cause)")
        tellStop(host)
    }

    /// Tells a joined host that it may not bind, and why.
    mutating func tellStop(_ host: HostID) {
        guard let stream = live.hosts[host]?.stream, let identity = live.streams[stream]?.identity,
            let stop = stop(of: host)
        else { return }
        turn.early.append(
            .send(stream, position, .bindingStop(grant(for: identity), code: stop.code, reason: stop.reason)))
    }

    /// Why a host that is joined may not bind, nil when it may.
    func stop(of host: HostID) -> (code: String, reason: String)? {
        switch state.safety[host]?.freeze {
        case .rivals(_, let second):
            (
                "frozen",
                "another machine (\(second)) speaks under this name; "
                    + "'outriderctl host thaw \(host) --keep BOOT' decides"
            )
        case .unknownLeases(let leases):
            (
                "frozen",
                "\(leases.count) blocks are held here that the coordinator's book did not know; see "
                    + "'outriderctl check', then 'outriderctl host thaw \(host)'"
            )
        case nil: restorationStop
        }
    }

    // MARK: The way out

    /// - Parameter keep: of two rivals, the boot or else the fingerprint of the one that is right; nil when there is
    ///   no choice to make.
    mutating func thaw(_ host: HostID, keep: String?) throws(CoordinatorError) -> Reply {
        guard let record = state.hosts[host] else { throw .unknownHost(host) }
        guard let freeze = freeze(of: host) else {
            throw .invalid(field: "host", why: "\(host) is not frozen")
        }
        switch freeze {
        case .unknownLeases:
            commit(.host(host, .thawed(barred: nil)))
        case .rivals(let first, let second):
            let kept = try choose(keep, first, second)
            guard kept == first || !isReporting(host) else {
                throw .invalid(
                    field: "keep", why: "the other machine (\(first)) still reports; stop it first, with its VMs")
            }
            commit(.host(host, .thawed(barred: kept == first ? second : first)))
        }
        live.hosts[host]?.rival = nil
        notice(.warning, "host-thawed", "host \(host) goes on with \(keep ?? "\(record.boot)")")
        regrant(host)
        return .host(try info(host))
    }

    private func choose(
        _ keep: String?, _ first: Claimant, _ second: Claimant
    ) throws(CoordinatorError) -> Claimant {
        guard let keep else {
            throw .invalid(field: "keep", why: "must name the boot to keep: \(first.boot) or \(second.boot)")
        }
        let chosen = [first, second].filter {
            $0.boot.description == keep || $0.fingerprint == keep || $0.incarnation.description == keep
        }
        guard chosen.count == 1 else {
            throw .invalid(
                field: "keep",
                why: "'\(keep)' is the boot or fingerprint of \(chosen.count) of them: \(first), and \(second)")
        }
        return chosen[0]
    }

    /// A joined host that nothing stops any more may bind again.
    mutating func regrant(_ host: HostID) {
        guard let stream = live.hosts[host]?.stream, let identity = live.streams[stream]?.identity,
            live.hosts[host]?.reach != .withdrawing, state.hosts[host]?.incarnation == identity.incarnation
        else { return }
        guard stop(of: host) == nil else { return tellStop(host) }
        turn.early.append(.send(stream, position, .bootGrant(grant(for: identity))))
    }
}

extension HostRecord {
    var claimant: Claimant { Claimant(incarnation: incarnation, boot: boot, fingerprint: fingerprint) }
}
