import NetworkTypes

/// Which tunnel endpoints answer an echo through the tunnel: an acknowledged kernel is not yet a working path.
///
/// Every round sends a short echo and one of the overlay's MTU to each. State of one endpoint:
///
/// | state | event | next |
/// |---|---|---|
/// | (new) | an answer to the long echo | answering |
/// | any | three rounds in a row without any answer | silent |
/// | (new), answering | three rounds in a row with an answer to the short echo only | narrow |
/// | silent | an answer to the short echo | narrow or (new), by the rounds before |
/// | silent, narrow | an answer to the long echo | answering |
struct PathBook: Sendable {
    /// A lost packet is none of a broken path's business, and a restarted peer is back sooner.
    static let missesMax = 3

    private struct Path: Sendable {
        /// Rounds in a row without an answer to the short and to the long echo.
        var missedShort = 0
        var missedFull = 0
        var heardShort = false
        var heardFull = false
    }

    private var paths: [IPAddress: Path] = [:]
    /// Of the echoes that are under way.
    private(set) var round: UInt64 = 0

    var count: Int { paths.count }
    /// No answer at all, ascending.
    var silent: [IPAddress] { paths.filter { $0.value.missedShort >= Self.missesMax }.keys.sorted() }
    /// Answers to short echoes only, ascending.
    var narrow: [IPAddress] {
        paths.filter { $0.value.missedShort < Self.missesMax && $0.value.missedFull >= Self.missesMax }.keys.sorted()
    }

    /// Ends the round before and begins another one, to these endpoints.
    mutating func begin(_ targets: Set<IPAddress>) {
        round += 1
        paths = paths.filter { targets.contains($0.key) }.mapValues { path in
            var path = path
            path.missedShort = path.heardShort || path.heardFull ? 0 : path.missedShort + 1
            path.missedFull = path.heardFull ? 0 : path.missedFull + 1
            (path.heardShort, path.heardFull) = (false, false)
            return path
        }
        for vtep in targets where paths[vtep] == nil { paths[vtep] = Path() }
    }

    /// An answer; those of earlier rounds come too late.
    mutating func hear(_ vtep: IPAddress, round: UInt64, isFull: Bool) {
        guard round == self.round else { return }
        paths[vtep]?.missedShort = 0
        if isFull {
            paths[vtep]?.missedFull = 0
            paths[vtep]?.heardFull = true
        } else {
            paths[vtep]?.heardShort = true
        }
    }
}
