from warmstart import main

main()
