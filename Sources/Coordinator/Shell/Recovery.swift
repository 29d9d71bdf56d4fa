import CoordinatorCore
import Foundation
import NetworkTypes
import Store

/// A machine that says what the store says, ready to go on.
struct RecoveredMachine {
    var machine: CoordinatorMachine
    /// What taking over decided; to be performed before anything else.
    var effects: [CoordinatorEffect]
    var eventsSinceSnapshot: Int

    /// Reads the store: newest snapshot, events after it, then the machine takes over.
    ///
    /// - Parameters:
    ///   - seed: randomness for keys and identities; a store that exists brings its own key.
    ///   - restoredFromBackup: the store is older than what it ruled: nothing moves before hosts say what they hold.
    /// - Throws: `StoreError`, ``ImageError``, or ``ConfigurationConflict``.
    static func load(
        _ configuration: CoordinatorConfiguration, seed: UInt64, store: any Store, at now: Instant,
        restoredFromBackup: Bool = false
    ) async throws -> RecoveredMachine {
        let stored = try await store.load()
        let image = try stored.snapshot.map { try MachineImage.decode($0.image) }
        var machine: CoordinatorMachine
        do throws(CoordinatorError) {
            machine = try CoordinatorMachine(configuration: configuration, randomSeed: seed)
        } catch {
            throw ConfigurationConflict(cause: error)
        }
        if let image {
            do throws(CoordinatorError) {
                machine = try CoordinatorMachine(restoring: image, configuration: configuration, randomSeed: seed)
            } catch {
                throw ImageError.contradictory("\(error)")
            }
        }
        for event in stored.events { machine.replay(event.event) }
        if let contradiction = machine.contradiction() { throw ConfigurationConflict(cause: contradiction) }
        let effects = machine.recovered(
            at: now, restoredFromBackup: restoredFromBackup,
            // A profiler alone counts as the coordinator does that it follows.
            clockSlot: configuration.profiler == .alone
                ? nil : CoordinatorClock.slot(of: CoordinatorClock.wall, interval: configuration.aggregateInterval))
        return RecoveredMachine(machine: machine, effects: effects, eventsSinceSnapshot: stored.events.count)
    }
}

/// The configuration does not fit itself or the state that the store holds. Exit code 78.
public struct ConfigurationConflict: Error, CustomStringConvertible {
    let cause: CoordinatorError
    public var description: String {
        guard case .invalid(let field, let why) = cause else { return "the configuration is refused: \(cause)" }
        return "key '\(field)': \(why); set it back, or give the coordinator another state-directory"
    }
}

/// The snapshot in the store is whole and not to be used.
public enum ImageError: Error, Hashable, Sendable, CustomStringConvertible {
    case newerVersion(found: Int, supported: Int)
    /// Nil: from before images had versions.
    case olderVersion(found: Int?, supported: Int)
    /// What it says cannot be.
    case contradictory(String)

    /// The program is the wrong one, and not the store.
    var isOfAnotherVersion: Bool {
        switch self {
        case .newerVersion, .olderVersion: true
        case .contradictory: false
        }
    }

    public var description: String {
        switch self {
        case .newerVersion(let found, let supported):
            "the store's snapshot has version \(found), this program reads version \(supported); run the newer program"
                + " that wrote it, or restore a backup of this version"
        case .olderVersion(let found, let supported):
            "the store's snapshot has \(found.map { "version \($0)" } ?? "no version"), written by an unreleased program,"
                + " and this program reads version \(supported); run the program that wrote it, or give this one an empty"
                + " state-directory"
        case .contradictory(let why):
            "the store's snapshot contradicts itself (\(why)); keep a copy of the state-directory, restore a backup, and"
                + " start once with --restored-from-backup"
        }
    }
}
