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
    /// - Throws: `StoreError`, or ``ConfigurationConflict``.
    static func load(
        _ configuration: CoordinatorConfiguration, seed: UInt64, store: any Store, at now: Instant,
        restoredFromBackup: Bool = false
    ) async throws -> RecoveredMachine {
        let stored = try await store.load()
        let image = try stored.snapshot.map { try MachineImage.decode($0.image) }
        var machine: CoordinatorMachine
        do throws(CoordinatorError) {
            if let image {
                machine = try CoordinatorMachine(restoring: image, configuration: configuration, randomSeed: seed)
            } else {
                machine = try CoordinatorMachine(configuration: configuration, randomSeed: seed)
            }
            for event in stored.events { machine.replay(event.event) }
            if let contradiction = machine.contradiction() { throw contradiction }
        } catch {
            throw ConfigurationConflict(cause: error)
        }
        let effects = machine.recovered(at: now, restoredFromBackup: restoredFromBackup)
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

/// The bytes of a snapshot in the store.
enum MachineImage {
    static func encode(_ snapshot: CoordinatorSnapshot) throws -> [UInt8] {
        Array(try JSONEncoder().encode(snapshot))
    }
    static func decode(_ image: [UInt8]) throws -> CoordinatorSnapshot {
        try JSONDecoder().decode(CoordinatorSnapshot.self, from: Data(image))
    }
}
