# The dependencies are those of pyproject.toml, which pip reads too: nixpkgs calls a package as PyPI does, in lower case and with dashes.
{
  lib,
  python3Packages,
  gitMinimal,
  openssh,
}:

let
  pyproject = lib.importTOML ../pyproject.toml;
  nameOf = requirement: builtins.head (builtins.match "([A-Za-z0-9._-]+).*" requirement);
  packageOf =
    requirement: python3Packages.${lib.toLower (lib.replaceStrings [ "_" "." ] [ "-" "-" ] (nameOf requirement))};
in
python3Packages.buildPythonApplication {
  pname = pyproject.project.name;
  version = builtins.head (
    builtins.match ".*__version__ = \"([^\"]+)\".*" (builtins.readFile ../src/flakeship/__init__.py)
  );
  pyproject = true;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../LICENSE
      ../README.md
      ../data
      ../pyproject.toml
      ../src
    ];
  };

  build-system = map packageOf pyproject.build-system.requires;
  dependencies = map packageOf pyproject.project.dependencies;

  # nixpkgs has one version of each, which may be older than the one that pip would choose; the tests run with pip's.
  pythonRelaxDeps = true;
  doCheck = false;
  pythonImportsCheck = [ "flakeship" ];

  # Nix is taken from PATH: the store belongs to the one that is installed. Flakes in a repository need git, and private ones ssh.
  makeWrapperArgs = [
    "--suffix"
    "PATH"
    ":"
    (lib.makeBinPath [
      gitMinimal
      openssh
    ])
  ];

  meta = {
    description = "Build a container image from a Nix flake, stamp it with CI's metadata and push it to any registry";
    homepage = "https://github.com/flakeship/flakeship";
    license = lib.licenses.mit;
    mainProgram = "flakeship";
  };
}
