import Allocation
import FleetProtocol
import Forecasting
import NetworkTypes
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
    var learnt: [Learnt]
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
            learnt: series.sorted { $0.key < $1.key }.map {
                .init(application: $0.key, forecaster: Hexadecimal.text($0.value.encoded()))
            },
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
            })
    }

    mutating func restore(_ snapshot: CoordinatorSnapshot) throws(BookError) {
        isFounded = snapshot.isFounded
        foundation = snapshot.foundation
        term = snapshot.term
        book = try Book(restoring: snapshot.book)
        for record in snapshot.applications {
            applications[record.id] = record
            names[record.name] = record.id
            series[record.id] = ApplicationForecaster(shape: forecasting)
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
        for learnt in snapshot.learnt where series[learnt.application] != nil {
            do throws(SeriesStateError) {
                series[learnt.application] = try ApplicationForecaster(
                    encoded: Hexadecimal.bytes(learnt.forecaster), shape: forecasting)
            } catch {
                relearning.append(learnt.application)
            }
        }
        for share in snapshot.shares {
            recentLaunches[share.application, default: [:]][
                share.host, default: DecayedCount(halfLife: launchHalfLife)
            ].add(share.launches, at: time(of: slot))
        }
    }
}

/// Bytes in an image that is text.
enum Hexadecimal {
    private static let digits = Array("0123456789abcdef".utf8)

    static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }

    /// As far as the text is one: what a checksum within the bytes says of the rest is for the caller.
    static func bytes(_ text: String) -> [UInt8] {
        let values = text.utf8.map { digit -> UInt8 in
            switch digit {
            case 48...57: digit - 48
            case 97...102: digit - 87
            default: 0
            }
        }
        return stride(from: 0, to: values.count - 1, by: 2).map { values[$0] << 4 | values[$0 + 1] }
    }
}
