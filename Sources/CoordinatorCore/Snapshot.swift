import Allocation
import FleetProtocol
import Forecasting
public import NetworkTypes
import SNISpace

/// The whole durable state in the form that a store keeps. Equal to the replay of all events before it.
public struct CoordinatorSnapshot: Hashable, Sendable, Codable {
    var revision: UInt64
    var isFounded: Bool
    var foundation: Foundation
    var term: UInt64
    var book: BookSnapshot
    var applications: [ApplicationRecord]
    var sessions: [SessionRecord]
    var sessionCount: UInt64
    var hosts: [HostRecord]
    var bindings: [HostBindings]
    var launches: LaunchCounts
    /// Of images of version 2; now ``attachments``.
    var learnt: [Learnt]?
    var shares: [Share]
    var slot: Int
    /// Absent from images of older versions.
    var generation: UInt64?
    var safety: [Safety]?
    var restoration: RestorationState?
    var migrations: [Migration]?
    var reclaimCursors: ReclaimCursors?
    var sharding: ShardingState?
    var observed: [Observed]?
    var activity: [Activity]?
    var follows: Follows?
    /// What was learnt, as bytes that are not for a text: kept beside it by who stores the snapshot.
    public var attachments: [Attachment] = []

    private enum CodingKeys: String, CodingKey {
        case revision, isFounded, foundation, term, book, applications, sessions, sessionCount, hosts, bindings
        case launches, learnt, shares, slot, generation, safety, restoration, migrations, reclaimCursors, sharding
        case observed, activity, follows
    }

    struct Safety: Hashable, Sendable, Codable {
        var host: HostID
        var safety: HostSafety
    }
    struct HostBindings: Hashable, Sendable, Codable {
        var host: HostID
        var entries: [BindingTable.Entry]
    }
    /// What was learnt of an application.
    struct Learnt: Hashable, Sendable, Codable {
        var application: ApplicationID
        /// Of an ``ApplicationForecaster``, two hexadecimal digits for each byte.
        var forecaster: String
    }
    /// Recent launches of an application on a host, faded up to the snapshot's slot.
    struct Share: Hashable, Sendable, Codable {
        var application: ApplicationID
        var host: HostID
        var launches: Int
    }
    /// What the profiler knows of an application beside what it learnt.
    struct Activity: Hashable, Sendable, Codable {
        var application: ApplicationID
        var lastActive: Int
        var agentsSpoke: Bool
        var fed: Bool
    }
    /// Bytes of one application.
    public struct Attachment: Hashable, Sendable, CustomStringConvertible {
        public enum Kind: UInt8, Hashable, Sendable, CaseIterable {
            /// Of an `ApplicationForecaster`.
            case forecaster = 1
            /// Of an ``ApplicationHistory``.
            case history = 2
            /// What young ones borrow from the fleet; of no application.
            case prior = 3
            /// Of a `MarginalProfile`.
            case marginal = 4
        }
        public var application: ApplicationID
        public var kind: Kind
        public var bytes: [UInt8]
        public init(application: ApplicationID, kind: Kind, bytes: [UInt8]) {
            self.application = application
            self.kind = kind
            self.bytes = bytes
        }
        public var description: String { "\(kind) of \(application), \(bytes.count) bytes" }
    }
    struct Observed: Hashable, Sendable, Codable {
        var host: HostID
        var application: ApplicationID
        var vms: Int
    }
}

extension CoordinatorMachine {
    public func snapshot() -> CoordinatorSnapshot { state.snapshot(revision: live.revision) }

    /// Recovery from a snapshot; events after it follow through ``replay(_:)``.
    ///
    /// - Throws: `invalid` for a configuration or a snapshot that contradicts itself.
    public init(
        restoring snapshot: CoordinatorSnapshot, configuration: CoordinatorConfiguration, randomSeed: UInt64
    ) throws(CoordinatorError) {
        try self.init(configuration: configuration, randomSeed: randomSeed)
        do throws(BookError) {
            try state.restore(snapshot)
        } catch {
            throw CoordinatorError(error)
        }
        live.revision = snapshot.revision
    }
}

extension FleetState {
    func snapshot(revision: UInt64) -> CoordinatorSnapshot {
        CoordinatorSnapshot(
            revision: revision, isFounded: isFounded, foundation: foundation, term: term, book: book.snapshot,
            applications: applications.values.sorted { $0.id < $1.id },
            sessions: sessions.values.sorted { $0.number < $1.number }, sessionCount: sessionCount,
            hosts: hosts.values.sorted { $0.id < $1.id },
            bindings: bindings.byHost.sorted { $0.key < $1.key }.map { host, entries in
                .init(host: host, entries: entries.values.sorted { $0.record.sni < $1.record.sni })
            },
            launches: launches,
            shares: recentLaunches.sorted { $0.key < $1.key }.flatMap { application, hosts in
                hosts.sorted { $0.key < $1.key }.map { host, count in
                    let value = count.value(at: time(of: slot)).rounded()
                    return .init(application: application, host: host, launches: Int(value))
                }
            },
            slot: slot, generation: generation,
            safety: safety.sorted { $0.key < $1.key }.map { .init(host: $0.key, safety: $0.value) },
            restoration: restoration, migrations: migrations.values.sorted { $0.sni < $1.sni },
            reclaimCursors: reclaimCursors, sharding: sharding,
            observed: observed.sorted { $0.key < $1.key }.flatMap { host, applications in
                applications.sorted { $0.key < $1.key }.map { .init(host: host, application: $0.key, vms: $0.value) }
            },
            activity: activities, follows: follows, attachments: attachments)
    }

    mutating func restore(_ snapshot: CoordinatorSnapshot) throws(BookError) {
        isFounded = snapshot.isFounded
        foundation = snapshot.foundation
        term = snapshot.term
        book = try Book(restoring: snapshot.book)
        for record in snapshot.applications {
            applications[record.id] = record
            names[record.name] = record.id
        }
        for record in snapshot.sessions { sessions[record.id] = record }
        sessionCount = snapshot.sessionCount
        for record in snapshot.hosts { hosts[record.id] = record }
        for holder in snapshot.bindings {
            for entry in holder.entries {
                bindings.set(entry.record, on: holder.host, block: entry.block, counted: entry.counted)
            }
        }
        generation = snapshot.generation ?? 1
        for migration in snapshot.migrations ?? [] { migrations[migration.sni] = migration }
        reclaimCursors = snapshot.reclaimCursors ?? ReclaimCursors()
        restoration = snapshot.restoration ?? RestorationState()
        sharding = snapshot.sharding ?? ShardingState()
        for entry in snapshot.safety ?? [] { safety[entry.host] = entry.safety }
        for entry in snapshot.observed ?? [] { observed[entry.host, default: [:]][entry.application] = entry.vms }
        launches = snapshot.launches
        slot = snapshot.slot
        follows = snapshot.follows
        restoreProfiles(snapshot)
        for share in snapshot.shares {
            recentLaunches[share.application, default: [:]][
                share.host, default: DecayedCount(halfLife: launchHalfLife)
            ].add(share.launches, at: time(of: slot))
        }
    }
}
