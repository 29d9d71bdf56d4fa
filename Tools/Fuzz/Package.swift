// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .treatWarning("StrictMemorySafety", as: .warning),
]

// A package of its own: everything in it, the product's modules too, is built for the fuzzer (see `./run fuzz`).
let package = Package(
    name: "outrider-fuzz",
    dependencies: [.package(name: "outrider", path: "../..")],
    targets: [
        .systemLibrary(name: "CFuzzer"),
        // Its folder Targets is a link to the one that the ordinary tests replay.
        .executableTarget(
            name: "outrider-fuzz",
            dependencies: ["AgentCore", "Dataplane", "Journal", "LocalAPI", "Netlink", "NetworkTypes"].map {
                .product(name: $0, package: "outrider")
            } + ["CFuzzer"], swiftSettings: strict),
    ]
)
