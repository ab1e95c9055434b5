"""baserate: what does a genomics foundation model add over the base rate?"""

if __name__ == "bench":
    raise ImportError("this folder installs as the package 'baserate'; run `pip install -e .` and `import baserate`")

__version__ = "0.1.0"
