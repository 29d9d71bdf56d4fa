public import FleetProtocol
@_spi(Simulation) public import NetworkTypes
import SNISpace

/// One VM on its way to another host, durable until its identifier is its block's again.
public struct Migration: Hashable, Sendable, Codable {
    public var sni: SessionNetworkID
    public var interface: VMInterface
    public var application: ApplicationID
    public var source: HostID
    public var destination: HostID
    /// Of the sub-lease, when it was made.
    public var epoch: Epoch
    public var phase: Departure.Phase
    /// It is to end before the flip; the destination is asked to give the identifier up.
    public var isAborted: Bool
    /// The source has written down that the identifier leaves: it gives it to no other VM, and the destination may bind it.
    public var isSourceReady = false
}

/// Steps of a migration. Its end is the `freed` of its sub-lease.
public enum MigrationEvent: Hashable, Sendable, Codable {
    case started(Migration)
    /// The source has written down that the identifier leaves.
    case sourceReady(SessionNetworkID)
    case aborted(SessionNetworkID)
    /// The guest was heard at the destination.
    case flipped(SessionNetworkID)
    /// Every reachable host sends to the destination.
    case dropped(SessionNetworkID)
}

/// Migration: a sub-lease of one identifier, with an epoch and a VNI of its own; the address stays.
///
/// | phase | event | next | who does what |
/// |---|---|---|---|
/// | | migrate | preparing | source: departure, serves on; peers: nexthop on standby |
/// | preparing | the source wrote the departure down, the VM is bound there | preparing | destination: incoming lease |
/// | preparing | the source did, the VM is bound there no more | preparing, aborted | sub-lease drains, nobody was told of it |
/// | preparing | the guest's first frame at the destination | flipped | all: route there; source: port goes, forwards |
/// | preparing | abort, VM ends there, or source fenced | preparing, aborted | destination: forced drain |
/// | preparing, aborted | first frame after all | flipped | the destination refuses the drain |
/// | preparing | destination fenced | preparing | sub-lease drains; the source serves on |
/// | flipped | every reachable host acknowledged the route | dropped | source: forwards no more |
/// | flipped, dropped | the VM ends | | sub-lease is marked, drained, removed at the peers, rests, is freed |
/// | any | sub-lease freed | (gone) | source: departure taken back, the identifier is its block's again |
///
/// A fence of the source after the flip takes its block and leaves the sub-lease.
extension CoordinatorMachine {
    mutating func migrate(_ interface: VMInterface, to destination: HostID) throws(CoordinatorError) -> Reply {
        guard !state.restoration.isOn else { throw .restoring(awaited: state.restoration.awaited.sorted()) }
        if let under = preparing(interface), !under.isAborted, under.destination == destination {
            return .migration(info(under))
        }
        guard state.hosts[destination] != nil else { throw .unknownHost(destination) }
        guard let found = binding(of: interface) else {
            throw .invalid(field: "interface", why: "\(interface) is bound nowhere")
        }
        for host in [found.host, destination] where !mayLease(host) {
            let why = stop(of: host)?.reason ?? "it is not connected, or has not caught up"
            throw .invalid(field: host == destination ? "to" : "interface", why: "host \(host): \(why)")
        }
        let events = try bookCall { (book) throws(BookError) in
            try book.sublease(found.record.sni, to: destination)
        }
        guard case .subleased(let lease)? = events.first else { throw .notReady }
        let migration = Migration(
            sni: found.record.sni, interface: interface, application: lease.application, source: found.host,
            destination: destination, epoch: lease.epoch, phase: .preparing, isAborted: false)
        // First, so that nobody hears of the lease without its migration.
        commit(.migration(.started(migration)))
        commit(events)
        live.dirtyHosts.insert(migration.source)
        notice(.info, "migration", "\(interface) (\(migration.sni)) goes from \(found.host) to \(destination)")
        return .migration(info(migration))
    }

    /// An interface may have left identifiers behind that are not home yet.
    private func migrations(of interface: VMInterface) -> [Migration] {
        state.migrations.values.filter { $0.interface == interface }.sorted { ($0.epoch, $0.sni) < ($1.epoch, $1.sni) }
    }

    private func preparing(_ interface: VMInterface) -> Migration? {
        migrations(of: interface).last { $0.phase == .preparing }
    }

    private func binding(of interface: VMInterface) -> (host: HostID, record: BindingRecord)? {
        for (host, entries) in state.bindings.byHost.sorted(by: { $0.key < $1.key }) {
            let bound = entries.values.lazy.map(\.record).filter { $0.interface == interface && $0.state == .bound }
            if let record = bound.min(by: { $0.sni < $1.sni }) { return (host, record) }
        }
        return nil
    }

    mutating func abortMigration(_ interface: VMInterface, reason: String) throws(CoordinatorError) -> Reply {
        try checkAudit(reason)
        guard let migration = preparing(interface) else {
            guard let arrived = migrations(of: interface).last else {
                throw .invalid(field: "interface", why: "\(interface) is not migrating")
            }
            throw .invalid(field: "interface", why: "\(interface) runs at \(arrived.destination) already")
        }
        abort(migration, reason: reason)
        return .migration(info(state.migrations[migration.sni] ?? migration))
    }

    mutating func abort(_ migration: Migration, reason: String) {
        if !migration.isAborted { commit(.migration(.aborted(migration.sni))) }
        let single = SNIBlock(single: migration.sni)
        guard migration.isSourceReady else {
            // The destination was never told of it: there is nothing to drain.
            try? book { (book) throws(BookError) in try book.fence(single, reason: reason) }
            return
        }
        mark(single, reason: reason, force: true)
    }

    // MARK: Flip

    mutating func hearArrival(of sni: SessionNetworkID, epoch: Epoch, at host: HostID) {
        guard let migration = state.migrations[sni], migration.destination == host, migration.phase == .preparing,
            let lease = state.book.lease(of: SNIBlock(single: sni)), lease.host == host, lease.isActive,
            epoch >= migration.epoch, epoch <= lease.epoch
        else { return }
        commit(.migration(.flipped(sni)))
        live.dirtyBlocks.insert(lease.block)
        live.dirtyHosts.insert(migration.source)
        awaitFlip(of: migration)
        notice(.info, "migrated", "\(migration.interface) (\(sni)) runs at \(host)")
    }

    /// Also after a restart of the coordinator, which heard none of the acknowledgements.
    mutating func awaitFlip(of migration: Migration) {
        var owed: [HostID: UInt64] = [:]
        let peers = watchers(of: migration.application).union([migration.source])
        for (host, known) in live.hosts where host != migration.destination && known.reach.takesPart {
            if planted.contains(.dropBeforeAcknowledgement) { continue }
            if peers.contains(host) || known.sent == nil { owed[host] = .max }
        }
        live.flips[migration.sni] = owed
        finishFlip(of: migration.sni)
    }

    /// `peer` takes part from now on, and has not acknowledged all that it was sent: flips under way may be among that.
    mutating func awaitFlips(by peer: HostID, after acknowledged: UInt64) {
        guard let sent = live.hosts[peer]?.sentRevision, sent > acknowledged else { return }
        for sni in live.flips.keys.sorted() {
            guard let migration = state.migrations[sni], migration.destination != peer,
                migration.source == peer || watchers(of: migration.application).contains(peer)
            else { continue }
            live.flips[sni]?[peer] = sent
        }
    }

    /// `peer` reached a revision, or is not waited for any more (nil).
    mutating func advanceFlips(_ peer: HostID, at revision: UInt64?) {
        for (sni, owed) in live.flips.sorted(by: { $0.key < $1.key }) {
            guard let needed = owed[peer], revision.map({ needed <= $0 }) ?? true else { continue }
            live.flips[sni]?[peer] = nil
            finishFlip(of: sni)
        }
    }

    private mutating func finishFlip(of sni: SessionNetworkID) {
        guard live.flips[sni]?.isEmpty ?? false else { return }
        live.flips[sni] = nil
        guard let migration = state.migrations[sni], migration.phase == .flipped else { return }
        commit(.migration(.dropped(sni)))
        live.dirtyHosts.insert(migration.source)
    }

    // MARK: End

    /// A VM ended inside a sub-lease: its identifier goes home the long way.
    mutating func goHome(_ sni: SessionNetworkID, from host: HostID) {
        guard let migration = state.migrations[sni], migration.destination == host else { return }
        if migration.phase == .preparing { return abort(migration, reason: "the VM ended before it arrived") }
        let single = SNIBlock(single: sni)
        guard state.bindings.use(of: single) == .init() else { return }
        mark(single, reason: "the migrated VM ended", force: false)
    }

    /// What was not answered is asked again, and what nobody can finish any more is ended.
    mutating func pursueMigrations() {
        for migration in state.migrations.values.sorted(by: { $0.sni < $1.sni }) {
            guard let lease = state.book.lease(of: SNIBlock(single: migration.sni)),
                lease.state == .leased || lease.state == .staged
            else { continue }
            if migration.phase != .preparing {
                goHome(migration.sni, from: migration.destination)
            } else if migration.isAborted {
                abort(migration, reason: "aborted")
            }
        }
    }

    /// The source is fenced: a VM that did not arrive yet is gone with it.
    mutating func abortMigrations(from host: HostID) {
        for migration in state.migrations.values.sorted(by: { $0.sni < $1.sni })
        where migration.source == host && migration.phase == .preparing {
            abort(migration, reason: "host \(host) was fenced")
        }
    }

    // MARK: Views

    func departures(from host: HostID) -> [UInt32: Departure] {
        var departures: [UInt32: Departure] = [:]
        for migration in state.migrations.values where migration.source == host {
            departures[migration.sni.rawValue] = Departure(
                sni: migration.sni, interface: migration.interface, epoch: migration.epoch,
                destination: migration.destination, phase: migration.phase)
        }
        return departures
    }

    func info(_ migration: Migration) -> MigrationInfo {
        let owing = migration.isSourceReady ? (live.flips[migration.sni] ?? [:]).keys.sorted() : [migration.source]
        return MigrationInfo(
            migration: migration, leaseState: state.book.lease(of: SNIBlock(single: migration.sni))?.state,
            waitsFor: owing)
    }

    /// By identifier.
    public func migrations() -> [MigrationInfo] {
        state.migrations.values.sorted { $0.sni < $1.sni }.map { info($0) }
    }
}

extension Book {
    /// The lease of `host` around an identifier: its sub-lease, or the block that it is, or was, bound in.
    func lease(around sni: SessionNetworkID, of host: HostID) -> BlockLease? {
        if let nearest = lease(around: sni), nearest.host == host { return nearest }
        guard let block = blockLease(around: sni), block.host == host else { return nil }
        return block
    }
}
