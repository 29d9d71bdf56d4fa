import Testing

@Suite struct SafetyTests {
    /// - Parameter hint: text that every match contains.
    private func forbid(_ pattern: String, hint: String, in files: [SwiftFile], _ why: Comment) throws {
        let expression = try Regex(pattern)
        for place in files.flatMap({ $0.places(matching: expression, hint: hint) }) {
            Issue.record("\(place)\n\(why)")
        }
    }

    @Test func nothingIsForced() throws {
        let files = Repository.swiftFiles
        try forbid(#"\b(?:try|as)!"#, hint: "!", in: files, "handle the error or the other type")
        try forbid(#"[\w)\]}?]!(?![=\w])"#, hint: "!", in: files, "unwrap with guard, or require in a test")
        try forbid(
            #"\bfatalError\b"#, hint: "fatalError", in: Repository.shippedFiles,
            "throw; what cannot happen is a precondition")
    }

    @Test func concurrencyIsChecked() throws {
        let outsideNetlink = Repository.swiftFiles.filter { $0.target != "Netlink" }
        try forbid(#"@unchecked\s+Sendable"#, hint: "@unchecked", in: outsideNetlink, "only Netlink wraps C objects")
        try forbid(#"\(unsafe\)"#, hint: "nonisolated", in: Repository.swiftFiles, "use a Mutex or an actor")
        try forbid(#"\bTask\.detached\b"#, hint: "Task.", in: Repository.swiftFiles, "tasks have a parent")
    }

    /// On Linux libdispatch ends the process ("Source finalized twice") when a hang-up comes while its source is being
    /// cancelled. Netlink watches sockets without a peer that could hang up.
    @Test func sourcesWatchNothingThatHangsUp() throws {
        let outsideNetlink = Repository.shippedFiles.filter { $0.target != "Netlink" }
        try forbid(
            #"\bmake(?:Read|Write)Source\b"#, hint: "Source", in: outsideNetlink, "wait as LocalAPI's SocketWaiter does"
        )
    }

    @Test func coresAreDeterministic() throws {
        let cores: Set = [
            "NetworkTypes", "FleetProtocol", "SNISpace", "Forecasting", "Allocation", "Dataplane", "Telemetry",
            "AgentCore",
            "CoordinatorCore",
        ]
        let files = Repository.swiftFiles.filter { $0.path.hasPrefix("Sources/") && cores.contains($0.target) }
        for word in ["SystemRandomNumberGenerator", "ContinuousClock", "SuspendingClock", "getenv", "print("] {
            try forbid(
                #"\b"# + word.replacing("(", with: #"\("#), hint: word, in: files,
                "time and randomness come in as parameters; nothing is printed")
        }
        try forbid(
            #"\.(?:randomElement|shuffled|shuffle)\(\)|\.random\(in: [^,]*\)\s*$"#, hint: ".", in: files,
            "pass a seeded generator")
    }

    /// The product speaks netlink itself; only test support starts `ip`, `nft` and the like.
    @Test func noProgramIsStarted() throws {
        try forbid(
            #"(?:^|[^.\w])(?:Process|posix_spawnp?|fork|execvp?e?|popen|Subprocess\.run)\("#, hint: "(",
            in: Repository.shippedFiles,
            "the product starts no processes")
    }
}
