import Foundation

/// Deadlines only turn hangs into failures. On a machine that is slow by nature, such as an emulated one, OUTRIDER_PATIENCE
/// says how many times longer they are; a number, 1 without it.
enum Patience {
    static let factor = ProcessInfo.processInfo.environment["OUTRIDER_PATIENCE"].flatMap(Int.init) ?? 1
}
