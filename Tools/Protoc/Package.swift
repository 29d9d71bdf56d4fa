// swift-tools-version: 6.2
import PackageDescription

// Only to build the two protoc plugins by name (`./run protos`); apart, so that the root build never sees them.
let package = Package(
    name: "ProtocPlugins",
    dependencies: [
        .package(url: "https://github.com/apple/swift-protobuf.git", from: "1.39.0"),
        .package(url: "https://github.com/grpc/grpc-swift-protobuf.git", from: "2.4.1"),
    ]
)
